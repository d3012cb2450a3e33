import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { X509Certificate } from 'node:crypto'

/** A certificate authority that openssl runs in a folder. */
export interface Authority {
  readonly pem: string
  /** Signs a certificate for a new key, with these lines of extensions. */
  readonly sign: (name: string, extensions: readonly string[], days?: number) => Signed
  /** An authority below this one. */
  readonly below: (name: string) => Authority
  readonly revoke: (signed: Pick<Signed, 'certFile'>) => void
  /** The list of what it revoked. */
  readonly list: (options?: { readonly hours?: number; readonly extensions?: string }) => Buffer
}

export interface Signed {
  readonly certFile: string
  readonly keyFile: string
  readonly der: Uint8Array
}

export function hasOpenssl(): boolean {
  try {
    execFileSync('openssl', ['version'], { stdio: 'pipe' })
    return true
  } catch {
    return false
  }
}

function openssl(folder: string, ...args: readonly string[]): void {
  execFileSync('openssl', [...args], { cwd: folder, stdio: 'pipe' })
}

const settings = `
[ca]
default_ca = own
[own]
database = index.txt
serial = serial
crlnumber = crlnumber
new_certs_dir = .
default_md = sha256
default_days = 30
policy = any
unique_subject = no
certificate = ca.pem
private_key = ca.key
crl_extensions = list
[any]
commonName = supplied
[list]
authorityKeyIdentifier = keyid
[delta]
deltaCRL = critical,ASN1:INTEGER:1
`
const authorityExtensions = [
  'basicConstraints=critical,CA:TRUE',
  'keyUsage=critical,keyCertSign,cRLSign',
  'subjectKeyIdentifier=hash',
]

function newKey(folder: string, name: string): void {
  openssl(folder, 'ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', `${name}.key`)
}

function authorityIn(folder: string): Authority {
  const path = (name: string): string => join(folder, name)
  writeFileSync(path('index.txt'), '')
  writeFileSync(path('serial'), '1000')
  writeFileSync(path('crlnumber'), '01')
  writeFileSync(path('ca.cnf'), settings)
  const sign: Authority['sign'] = (name, extensions, days = 10) => {
    newKey(folder, name)
    openssl(folder, 'req', '-new', '-key', `${name}.key`, '-subj', `/CN=${name}`, '-out', `${name}.csr`)
    writeFileSync(path(`${name}.ext`), extensions.join('\n'))
    const time =
      days > 0 ? ['-days', String(days)] : ['-startdate', '20200101000000Z', '-enddate', '20200201000000Z']
    openssl(
      folder,
      'ca',
      '-batch',
      '-config',
      'ca.cnf',
      '-in',
      `${name}.csr`,
      '-out',
      `${name}.pem`,
      '-notext',
      '-extfile',
      `${name}.ext`,
      ...time,
    )
    const der = new X509Certificate(readFileSync(path(`${name}.pem`))).raw
    return { certFile: path(`${name}.pem`), keyFile: path(`${name}.key`), der }
  }
  return {
    pem: readFileSync(path('ca.pem'), 'utf8'),
    sign,
    below: name => {
      const { certFile, keyFile } = sign(name, authorityExtensions)
      mkdirSync(path(`below-${name}`))
      writeFileSync(path(`below-${name}/ca.pem`), readFileSync(certFile))
      writeFileSync(path(`below-${name}/ca.key`), readFileSync(keyFile))
      return authorityIn(path(`below-${name}`))
    },
    revoke: ({ certFile }) => openssl(folder, 'ca', '-config', 'ca.cnf', '-revoke', certFile),
    list: ({ hours = 24, extensions = 'list' } = {}) => {
      openssl(
        folder,
        'ca',
        '-config',
        'ca.cnf',
        '-gencrl',
        '-crlhours',
        String(hours),
        '-crlexts',
        extensions,
        '-out',
        'crl.pem',
      )
      return readFileSync(path('crl.pem'))
    },
  }
}

/** A new root in a folder. */
export function createAuthority(folder: string, name: string): Authority {
  mkdirSync(folder, { recursive: true })
  newKey(folder, 'ca')
  const extensions = authorityExtensions.flatMap(each => ['-addext', each])
  // `req -x509` sets the first of them by itself.
  openssl(
    folder,
    'req',
    '-x509',
    '-new',
    '-key',
    'ca.key',
    '-subj',
    `/CN=${name}`,
    '-days',
    '30',
    '-out',
    'ca.pem',
    ...extensions.slice(2),
  )
  return authorityIn(folder)
}
