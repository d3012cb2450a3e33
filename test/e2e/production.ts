// Production on one machine: the services of docker-compose.yml as processes of their own, on real Kafka, S3 and Secrets Manager.
import { mkdirSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import {
  environmentOf,
  named,
  runJob,
  startSite,
  startWorker,
  workerNames,
  type Site,
} from '../containers/site.ts'
import { serverFolder, type Server } from '../lanes/server.ts'
import type { Installation } from './installation.ts'

/** An installation with the servers that it stands on. */
export interface Production extends Installation {
  readonly site: Site
}

/** What a process needs that reaches the brokers as `user`, and nothing but them. */
function brokerEnvironment({ broker }: Site, user: string): Record<string, string> {
  return {
    MUNIMENT_BUS: `kafka://localhost:${broker.port}`,
    MUNIMENT_KAFKA_CA_FILE: broker.certificateFile,
    MUNIMENT_KAFKA_SASL_MECHANISM: 'scram-sha-512',
    MUNIMENT_KAFKA_SASL_USERNAME: user,
    MUNIMENT_KAFKA_SASL_PASSWORD_FILE: join(broker.secretsFolder, `kafka-${user}`),
  }
}

async function endAll({ broker, s3, secretsManager }: Site): Promise<void> {
  await Promise.all([broker.stop(), s3.stop(), secretsManager.stop()])
}

async function startWorkers(site: Site): Promise<ReadonlyMap<string, Server>> {
  for (const job of ['prepare-kafka', 'prepare-buckets', 'keys']) await runJob(named(job), site)
  const started = workerNames.map(async name => [name, await startWorker(named(name), site)] as const)
  return new Map(await Promise.all(started))
}

/** A fresh installation with the users, rights and settings that are shipped. */
export async function openProduction(): Promise<Production> {
  const folder = serverFolder('production')
  const [home, desk] = [join(folder, 'home'), join(folder, 'desk')]
  for (const each of [home, desk]) mkdirSync(each)
  const site = await startSite(folder)
  const workers = await startWorkers(site)
  const ingestKey = await runJob({ ...named('keys'), command: ['keys', 'ingest'] }, site)
  const settings = { ...environmentOf(named('masker'), site), MUNIMENT_HOME: desk }
  return {
    folder,
    home,
    site,
    workers,
    interceptor: {
      ...brokerEnvironment(site, 'interceptor'),
      MUNIMENT_HOME: home,
      MUNIMENT_INGEST_KEY: ingestKey.trim(),
    },
    reader: { ...settings, ...brokerEnvironment(site, 'query') },
    operator: { ...settings, ...brokerEnvironment(site, 'operator') },
    owner: { ...settings, ...brokerEnvironment(site, 'admin') },
    places: [join(dirname(site.broker.secretsFolder), 'data'), site.s3.dataFolder, home, desk],
    [Symbol.asyncDispose]: async () => {
      await Promise.all(Array.from(workers.values(), async worker => await worker.stop()))
      await endAll(site)
      rmSync(folder, { recursive: true, force: true, maxRetries: 10 })
    },
  }
}
