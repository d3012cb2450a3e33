import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createMetrics, listSettings, readConfig, startHealth } from '@muniment/runtime'
import { topics } from '@muniment/schema'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runProgram } from '../lanes/cache.ts'
import { readCompose, type Service } from './compose.ts'
import { copies, lastOf, readStages } from './dockerfile.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const compose = readCompose(join(root, 'docker-compose.yml'))
const services = Object.entries(compose.services)
const dockerfiles = [
  'infra/docker/Dockerfile',
  'infra/docker/s3/Dockerfile',
  'infra/docker/secrets-manager/Dockerfile',
]

function named(name: string): Service {
  const service = compose.services[name]
  if (service === undefined) throw new Error(`docker-compose.yml has no service ${name}`)
  return service
}

function imageOf(service: Service): string | undefined {
  const { build } = service
  return build === undefined ? undefined : join(build.context, build.dockerfile ?? 'Dockerfile')
}

function hasHealthcheck(service: Service): boolean {
  if (service.healthcheck !== undefined) return 'test' in service.healthcheck
  const file = imageOf(service)
  const last = file === undefined ? undefined : readStages(join(root, file)).at(-1)
  return last !== undefined && lastOf(last, 'HEALTHCHECK') !== undefined
}

function networksOf({ networks }: Service): readonly string[] {
  return Array.isArray(networks) ? networks : Object.keys(networks)
}

describe.each(dockerfiles)('%s', file => {
  const stages = readStages(join(root, file))
  const last = stages.at(-1)
  if (last === undefined) throw new Error(`${file} has no stage`)

  test('takes from earlier stages only, and from files that exist', () => {
    const taken = stages.flatMap((stage, index) => copies(stage).map(copy => ({ copy, index })))
    for (const { copy, index } of taken) {
      const { from, sources } = copy
      const earlier = stages.slice(0, index).map(({ name }) => name)
      if (from !== undefined) expect(earlier).toContain(from)
      else
        for (const source of sources) expect([source, existsSync(join(root, source))]).toEqual([source, true])
    }
  })

  test('ends in an image with a version, a plain user, a health check and no shell around its program', () => {
    expect(last.base).toMatch(/^(?:\$\{\w+\}|[a-z0-9/.-]+:[\w.-]+)$/u)
    expect(lastOf(last, 'USER')).toBe('1000:1000')
    expect(lastOf(last, 'HEALTHCHECK')).toContain('CMD [')
    expect(lastOf(last, 'ENTRYPOINT')).toMatch(/^\[/u)
    expect(stages.flatMap(stage => stage.instructions).map(({ name }) => name)).not.toContain('ADD')
  })
})

describe('the image of the workers', () => {
  const [build, runtime] = readStages(join(root, 'infra/docker/Dockerfile'))
  const ignored = readFileSync(join(root, 'infra/docker/Dockerfile.dockerignore'), 'utf8').split('\n')

  test('is on Node 24, without the Node that a checkout brings', () => {
    const head = readFileSync(join(root, 'infra/docker/Dockerfile'), 'utf8')
    expect(head).toMatch(/^ARG NODE_IMAGE=node:24-[a-z]+-slim$/mu)
    expect(build?.instructions.some(({ rest }) => rest.includes('rm -rf node_modules/node-*'))).toBe(true)
  })

  test('gets from the builder exactly what the ignore file lets through', () => {
    const sent = ignored.filter(line => line.startsWith('!')).map(line => line.slice(1))
    const wanted = [build, runtime].flatMap(stage => (stage === undefined ? [] : copies(stage)))
    const sources = wanted.filter(({ from }) => from === undefined).flatMap(copy => copy.sources)
    expect(sources.toSorted()).toEqual(sent.toSorted())
  })

  test('contains every program that the compose file starts from it', () => {
    const programs = services
      .filter(([, service]) => imageOf(service) === 'infra/docker/Dockerfile')
      .flatMap(([, service]) => service.entrypoint ?? [])
      .concat(
        [
          ...(lastOf(runtime ?? { base: '', name: '', instructions: [] }, 'ENTRYPOINT') ?? '').matchAll(
            /"(?<word>[^"]+)"/gu,
          ),
        ].map(match => match.groups?.['word'] ?? ''),
      )
      .filter(word => word.startsWith('/app/'))
    expect(programs.length).toBeGreaterThan(0)
    for (const program of programs) expect(existsSync(join(root, program.slice('/app/'.length)))).toBe(true)
  })
})

describe('docker-compose.yml', () => {
  test.each(services)('%s refers only to what the file declares', (_name, service) => {
    const volumes = (service.volumes ?? []).map(volume => volume.split(':')[0] ?? '')
    for (const volume of volumes) {
      if (volume.startsWith('./')) expect(existsSync(join(root, volume))).toBe(true)
      else expect(compose.volumes).toHaveProperty([volume])
    }
    for (const secret of service.secrets ?? []) expect(compose.secrets).toHaveProperty([secret])
    for (const network of networksOf(service)) expect(compose.networks).toHaveProperty([network])
    const file = imageOf(service)
    if (file !== undefined) expect(existsSync(join(root, file))).toBe(true)
  })

  test.each(services)('%s waits for things that can happen', (_name, service) => {
    for (const [dependency, { condition }] of Object.entries(service.depends_on ?? {})) {
      const other = named(dependency)
      if (condition === 'service_healthy') expect(hasHealthcheck(other)).toBe(true)
      else expect(other.restart).toBe('no')
    }
  })

  test.each(services)('%s is watched while it runs, and open to this machine only', (_name, service) => {
    if (service.restart !== 'no') expect(hasHealthcheck(service)).toBe(true)
    for (const port of service.ports ?? []) expect(port).toMatch(/^127\.0\.0\.1:\d+:\d+$/u)
  })

  test.each(services)('%s has no password in its environment', (_name, service) => {
    const names = Object.keys(service.environment ?? {}).filter(name => !name.endsWith('_FILE'))
    expect(names.filter(name => /PASSWORD|SECRET_ACCESS_KEY|TOKEN/u.test(name))).toEqual([])
  })

  test('runs every worker of the program as a service of its own', async () => {
    const help = await runProgram(process.execPath, [
      join(root, 'services/cli/bin/muniment.mjs'),
      'run',
      '--help',
    ])
    const list = /^Workers:\n(?<list>(?: {2}\w.*\n)+)/mu.exec(help)?.groups?.['list'] ?? ''
    const workers = [...list.matchAll(/^ {2}(\w+)/gmu)].map(([, name = '']) => name)
    // These need an address of the operator's own, to deliver alerts to or to be reached at.
    const expected = workers.filter(name => name !== 'alerts' && name !== 'collector')
    expect(expected).toContain('masker')
    const running = services.filter(([, { command }]) => command?.[0] === 'run')
    expect(running.map(([name]) => name).toSorted()).toEqual(expected.toSorted())
    for (const [name, { command, restart }] of running)
      expect([command, restart]).toEqual([['run', name], 'unless-stopped'])
  })
})

describe('the settings', () => {
  const known = new Set(listSettings().map(({ env }) => env))
  const aws = /^AWS_(?:REGION|SHARED_CREDENTIALS_FILE|ENDPOINT_URL_(?:S3|SECRETS_MANAGER))$/u
  const image = new Map(
    readStages(join(root, 'infra/docker/Dockerfile'))
      .flatMap(stage => stage.instructions)
      .filter(({ name }) => name === 'ENV')
      .flatMap(({ rest }) => rest.split(' '))
      .map(pair => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]),
  )
  const ours = services.filter(([, service]) => imageOf(service) === 'infra/docker/Dockerfile')

  test.each(ours)('of %s are settings of the product, or of the AWS SDK', (_name, { environment = {} }) => {
    const names = [...Object.keys(environment), ...image.keys()].filter(name => name !== 'NODE_ENV')
    expect(names.filter(name => !known.has(name) && !aws.test(name))).toEqual([])
  })

  test.each(ours)(
    'of %s are accepted as they are',
    (_name, { environment = {}, secrets = [], volumes = [] }) => {
      const mounted = volumes.map(volume => `${volume.split(':')[1] ?? ''}/`)
      const readFile = (path: string): string => {
        const [, secret] = /^\/run\/secrets\/(.+)$/u.exec(path) ?? []
        expect(
          secret === undefined ? mounted.some(at => path.startsWith(at)) : secrets.includes(secret),
        ).toBe(true)
        return 'content'
      }
      const config = readConfig({ env: { ...Object.fromEntries(image), ...environment }, readFile })
      expect(config.home).toBe('/var/lib/muniment')
      if (environment['MUNIMENT_BUS'] !== undefined) expect(config.bus).toHaveProperty('sasl')
    },
  )

  test('put the health check where the process answers', async () => {
    const [, runtime] = readStages(join(root, 'infra/docker/Dockerfile'))
    const check = runtime === undefined ? undefined : lastOf(runtime, 'HEALTHCHECK')
    const [, port, path] = /http:\/\/127\.0\.0\.1:(\d+)(\/\w+)/u.exec(check ?? '') ?? []
    expect(port).toBe(image.get('MUNIMENT_HTTP_PORT'))
    const metrics = createMetrics()
    await using health = await startHealth({ host: '127.0.0.1', port: 0, checks: {}, metrics })
    const script = join(root, 'infra/docker/health.mjs')
    await runProgram(process.execPath, [script, `${health.url}${path ?? ''}`])
    await expect(runProgram(process.execPath, [script, `${health.url}/nowhere`])).rejects.toThrow(
      'ended with 1',
    )
  })
})

describe('the passwords', () => {
  let folder = ''

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'muniment-secrets-'))
    execFileSync('sh', [join(root, 'infra/docker/secrets.sh'), folder], { stdio: 'ignore' })
  })

  afterAll(() => rmSync(folder, { recursive: true, force: true, maxRetries: 10 }))

  test('are made for every secret of the compose file, once', () => {
    const files = Object.values(compose.secrets).map(({ file }) => file)
    const first = files.map(file =>
      readFileSync(join(folder, file.replace('infra/docker/secrets/', '')), 'utf8'),
    )
    execFileSync('sh', [join(root, 'infra/docker/secrets.sh'), folder], { stdio: 'ignore' })
    const second = files.map(file =>
      readFileSync(join(folder, file.replace('infra/docker/secrets/', '')), 'utf8'),
    )
    expect(second).toEqual(first)
    expect(new Set(first).size).toBe(files.length)
  })

  test('are one for each role of the topic table, and each worker sees its own only', () => {
    const roles = new Set(topics.flatMap(({ readers, writers }) => readers.concat(writers)))
    const users = Object.keys(compose.secrets).filter(name => name.startsWith('kafka-'))
    expect(new Set(users)).toEqual(new Set([...roles, 'admin'].map(role => `kafka-${role}`)))
    expect(named('kafka').secrets?.toSorted()).toEqual(users.toSorted())
    const workers = services.filter(([, { command }]) => command?.[0] === 'run')
    for (const [, { secrets = [], environment = {} }] of workers) {
      const user = environment['MUNIMENT_KAFKA_SASL_USERNAME'] ?? ''
      expect(secrets.filter(name => name.startsWith('kafka-'))).toEqual([`kafka-${user}`])
    }
  })
})
