import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { asyncApiDocument } from '@muniment/schema/asyncapi'
import { Ajv } from 'ajv'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('../../../', import.meta.url))

test('the AsyncAPI document is valid AsyncAPI 3.0', () => {
  const specs: { readonly schemas: Readonly<Record<string, object>> } = createRequire(import.meta.url)(
    '@asyncapi/specs',
  )
  const ajv = new Ajv({
    strict: false,
    meta: false,
    validateSchema: false,
    validateFormats: false,
    logger: false,
  })
  const validate = ajv.compile(specs.schemas['3.0.0'] ?? {})
  const isValid = validate(asyncApiDocument('1.0.0'))
  expect(validate.errors ?? []).toEqual([])
  expect(isValid).toBe(true)
})

test('the generated files are up to date', () => {
  execFileSync(process.execPath, ['infra/generate.ts', '--check'], { cwd: root })
})

test('the document names every topic with its retention', () => {
  const text = readFileSync(`${root}infra/kafka/asyncapi.json`, 'utf8')
  for (const name of [
    'mcp.calls.raw',
    'mcp.events',
    'mcp.signals',
    'mcp.alerts',
    'mcp.control',
    'mcp.events.dlq',
  ])
    expect(text).toContain(`"${name}"`)
})
