const v1 = {
  ...require('@modelcontextprotocol/sdk/client/index.js'),
  ...require('@modelcontextprotocol/sdk/inMemory.js'),
  ...require('@modelcontextprotocol/sdk/server/mcp.js'),
  ...require('@modelcontextprotocol/sdk/client/stdio.js'),
}
const v2 = {
  ...require('@modelcontextprotocol/client'),
  ...require('@modelcontextprotocol/server'),
  ...require('@modelcontextprotocol/client/stdio'),
}
const doors = {
  ...require('@muniment/interceptor'),
  ...require('@muniment/interceptor/http'),
  ...require('@muniment/interceptor/proxy'),
  v1,
  v2,
}
void import('./smoke.mjs').then(({ smoke }) => smoke(doors, 'wrap.cjs'))
