/**
 * Certificates for tests of TLS, made by openssl when a test asks for them.
 */
import { spawnSync } from 'node:child_process'
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** A certificate with its key, as PEM. */
export interface Certificate {
  cert: string
  key: string
}

/** Whether there is an openssl here. */
export function hasOpenssl(): boolean {
  return spawnSync('openssl', ['version'], { stdio: 'ignore' }).status === 0
}

/** Makes certificates in a folder. */
export class CertificateAuthority {
  readonly #folder: string
  readonly #name: string
  readonly cert: string

  constructor(folder: string, name: string) {
    this.#folder = folder
    this.#name = name
    this.#openssl(
      `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout ${name}.key -out ${name}.pem ` +
        `-days 2 -subj /CN=${name} -addext basicConstraints=critical,CA:TRUE`
    )
    this.cert = this.#read(`${name}.pem`)
  }

  /**
   * A certificate that this authority signs.
   *
   * @param names - alternative names, as `DNS:localhost`.
   * @param days - from now; a negative number: it has expired.
   */
  issue(file: string, names: string, days = 2): Certificate {
    this.#openssl(
      `req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout ${file}.key -out ${file}.csr ` +
        `-subj /CN=${file}`
    )
    writeFileSync(join(this.#folder, `${file}.ext`), `subjectAltName=${names}\n`)
    writeFileSync(join(this.#folder, 'index.txt'), '')
    const authority = `-CA ${this.#name}.pem -CAkey ${this.#name}.key -CAcreateserial`
    this.#openssl(`x509 -req -in ${file}.csr ${authority} -days ${days} -extfile ${file}.ext -out ${file}.pem`)
    chmodSync(this.path(`${file}.key`), 0o600)
    return { cert: this.#read(`${file}.pem`), key: this.#read(`${file}.key`) }
  }

  /** The path of a file that was made: a name, and `.pem` or `.key`. */
  path(file: string): string {
    return join(this.#folder, file)
  }

  #read(file: string): string {
    return readFileSync(join(this.#folder, file), 'utf8')
  }

  #openssl(command: string): void {
    const { status, stderr } = spawnSync('openssl', command.split(' '), { cwd: this.#folder, encoding: 'utf8' })
    if (status !== 0) throw new Error(`openssl ${command}: ${stderr}`)
  }
}
