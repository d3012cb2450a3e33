import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

/** A certificate that signs itself, PEM, and where it lies. */
export interface Certificate {
  readonly cert: string
  readonly key: string
  readonly file: string
}

const run = promisify(execFile)

/** Makes one for this machine's loopback address, in a folder, under a common name. */
export async function makeCertificate(folder: string, commonName: string): Promise<Certificate> {
  const name = join(folder, commonName)
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '1']
  const names = ['-subj', `/CN=${commonName}`, '-addext', 'subjectAltName=IP:127.0.0.1']
  const out = ['-keyout', `${name}.key`, '-out', `${name}.pem`]
  await run('openssl', ['req', '-x509', ...kind, ...out, ...names])
  const [cert, key] = [await readFile(`${name}.pem`, 'utf8'), await readFile(`${name}.key`, 'utf8')]
  return { cert, key, file: `${name}.pem` }
}
