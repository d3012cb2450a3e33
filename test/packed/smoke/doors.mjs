import * as interceptor from '@muniment/interceptor'
import * as http from '@muniment/interceptor/http'
import * as proxy from '@muniment/interceptor/proxy'
import * as clientV1 from '@modelcontextprotocol/sdk/client/index.js'
import * as memoryV1 from '@modelcontextprotocol/sdk/inMemory.js'
import * as serverV1 from '@modelcontextprotocol/sdk/server/mcp.js'
import * as stdioV1 from '@modelcontextprotocol/sdk/client/stdio.js'
import * as clientV2 from '@modelcontextprotocol/client'
import * as serverV2 from '@modelcontextprotocol/server'
import * as stdioV2 from '@modelcontextprotocol/client/stdio'
import { smoke } from './smoke.mjs'

const v1 = { ...clientV1, ...memoryV1, ...serverV1, ...stdioV1 }
const v2 = { ...clientV2, ...serverV2, ...stdioV2 }
await smoke({ ...interceptor, ...http, ...proxy, v1, v2 }, 'wrap.mjs')
