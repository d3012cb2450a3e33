// Certificates of a throw-away authority for one test server on this machine, made with openssl.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runProgram } from './cache.ts'

export interface Certificates {
  /** The authority that clients must trust, PEM. */
  readonly authorityFile: string
  /** Key, certificate and authority in one PEM file, as Kafka's PEM key store wants them. */
  readonly keyStoreFile: string
}

const extensions = 'subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n'
const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']

/** Makes an authority and a certificate for `localhost` and 127.0.0.1 in `folder`, valid for 30 days. */
export async function makeCertificates(folder: string): Promise<Certificates> {
  const file = (name: string): string => join(folder, name)
  writeFileSync(file('extensions.cnf'), extensions)
  await runProgram(
    'openssl',
    [
      ['req', '-x509', ...newKey, '-keyout', file('ca.key'), '-out', file('ca.pem'), '-days', '30'],
      ['-subj', '/CN=muniment-test-authority', '-addext', 'basicConstraints=critical,CA:TRUE'],
    ].flat(),
  )
  await runProgram(
    'openssl',
    [
      ['req', '-new', ...newKey, '-keyout', file('server.key'), '-out', file('server.csr')],
      ['-subj', '/CN=localhost'],
    ].flat(),
  )
  await runProgram(
    'openssl',
    [
      ['x509', '-req', '-in', file('server.csr'), '-CA', file('ca.pem'), '-CAkey', file('ca.key')],
      ['-CAcreateserial', '-out', file('server.pem'), '-days', '30', '-extfile', file('extensions.cnf')],
    ].flat(),
  )
  const store = ['server.key', 'server.pem', 'ca.pem'].map(name => readFileSync(file(name), 'utf8')).join('')
  writeFileSync(file('keystore.pem'), store, { mode: 0o600 })
  return { authorityFile: file('ca.pem'), keyStoreFile: file('keystore.pem') }
}
