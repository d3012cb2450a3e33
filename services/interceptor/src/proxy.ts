export { startProxy, type Proxy } from './proxy/server.ts'
export type { ProxyOptions, ProxyRoute } from './proxy/options.ts'
