/** Bytes of padded standard base64; `undefined` where it is not the one canonical form, of which Node would skip what it does not know. */
export function decodeBase64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64')
  return bytes.toString('base64') === text ? bytes : undefined
}
