import { readFileSync } from 'node:fs'
import { openAuthFiles, openAuthState, type Authenticator } from '@muniment/auth'
import { authSectionSchema, openAuthenticator, type AuthSection } from '@muniment/auth/section'
import { assertListenable, createQueryApi, type QueryService } from '@muniment/query'
import { readSection, type Config, type Logger, type Task } from '@muniment/runtime'
import { AppError } from '@muniment/schema'
import { openState } from '@muniment/state'
import { programVersion } from './version.ts'

function read(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (cause) {
    throw new AppError('CONFIG_INVALID', `${path} cannot be read.`, { cause })
  }
}

function sectionOf({ sections }: Config): AuthSection {
  const { auth } = sections
  if (auth === undefined)
    throw new AppError(
      'CONFIG_INVALID',
      'MUNIMENT_QUERY_LISTEN opens the archive, and nothing says to whom.',
      {
        hint: 'Write a section `auth` into muniment.yaml: `auth: {api_keys: {}}` is the shortest.',
      },
    )
  return readSection(auth, authSectionSchema)
}

async function authenticatorOf(config: Config, section: AuthSection, url: string): Promise<Authenticator> {
  const shelves =
    config.state.kind === 'file' ? openAuthFiles(config.home) : openAuthState(await openState(config.state))
  return await openAuthenticator(section, {
    shelves,
    // Each key reads the tenant that it was made for.
    tenant: undefined,
    resources: [url],
    now: Date.now,
  })
}

/** Makes the HTTP API of the query worker over a service; `undefined` where no place is set. Rejects with `CONFIG_INVALID`. */
export async function queryApiOf(
  config: Config,
  log: Logger,
): Promise<((service: QueryService) => Task) | undefined> {
  const { query, proxy } = config
  if (query === undefined) return undefined
  const { host, port, publicUrl } = query
  const section = sectionOf(config)
  const { authorities_file: authorities } = section.certificates ?? {}
  const clientCa = authorities === undefined ? undefined : read(authorities)
  const tls = proxy.tls && { cert: read(proxy.tls.certFile), key: read(proxy.tls.keyFile), clientCa }
  assertListenable({ host, tls })
  const own = `${tls === undefined ? 'http' : 'https'}://${host.includes(':') ? `[${host}]` : host}:${port}`
  const authenticator = await authenticatorOf(config, section, publicUrl ?? own)
  const onReady = (url: string): void => log.info('query.listening', { url })
  return service =>
    createQueryApi({ service, authenticator, host, port, tls, version: programVersion, log, onReady })
}
