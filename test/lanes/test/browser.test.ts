import { createServer } from 'node:http'
import { once } from 'node:events'
import { chromium } from 'playwright-core'
import { expect, test } from 'vitest'
import { browserLaunch } from '../browser.ts'
import { freePort } from '../ports.ts'
import { describeLanes } from '../lanes.ts'

describeLanes(['browser'], 'the browser lane', () => {
  test('a page served on loopback runs its script', async () => {
    const server = createServer((_, response) => {
      response.setHeader('content-type', 'text/html')
      response.end('<title>before</title><script>document.title = "after"</script>')
    })
    const port = await freePort()
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    const browser = await chromium.launch(browserLaunch())
    const page = await browser.newPage()
    await page.goto(`http://127.0.0.1:${port}/`)
    expect(await page.title()).toBe('after')
    await browser.close()
    server.close()
  }, 60_000)
})
