// Writes down what client.mjs puts on the wire, into conversation/: `node tests/peers/opencrvs/record.mjs`. The bytes are those of node's own
// fetch; host and token are left out, for whoever replays them. tests/it/mosip_api/recorded.rs does.

import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import net from 'node:net'
import { birth, change, createClient, death, person, schema } from './client.mjs'

const END = Buffer.from('\r\n\r\n')
const TOKEN = 'a.b.c'

let took
/** Answers each request with JSON, and keeps it once all of it is there. */
const server = net.createServer((socket) => {
  let seen = Buffer.alloc(0)
  socket.on('data', (bytes) => {
    seen = Buffer.concat([seen, bytes])
    const end = seen.indexOf(END)
    const length = end < 0 ? undefined : Number(/content-length: (\d+)/i.exec(seen.subarray(0, end))[1])
    if (end < 0 || seen.length < end + END.length + length) return
    took = seen
    socket.end('HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}')
  })
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
const host = `127.0.0.1:${server.address().port}`
const client = createClient(`http://${host}/`, `Bearer ${TOKEN}`)

for (const [name, call] of [
  ['1.9-birth', () => client.register(birth('2026B001'))],
  ['1.9-death', () => client.register(death('2026D001'))],
  ['2.0-birth-with-schema', () => client.register({ ...birth('2026B002'), schemaJson: schema })],
  ['2.0-birth-with-event', () => client.register({ ...birth('2026B003'), eventId: '5f1c7f52-8b54-4f5e-9f0b-0d2f1c9be6a1' })],
  ['2.1-birth-of-its-tests', () => client.register({ ...birth('2026B004'), requestFields: { birthCertificateNumber: '2026B004' }, metaInfo: {}, audit: {} })],
  ['2.1-change', () => client.updateBiographics(change('8031687218'))],
  ['1.9-verify', () => client.verifyNid({ ...person, gender: 'female', transactionId: 'c9a1' })],
  ['1.9-verify-another', () => client.verifyNid({ ...person, dob: '1990-03-15' })],
  ['1.9-verify-odd-date', () => client.verifyNid({ ...person, dob: '01.02.2002' })],
  ['1.9-nothing-registered', () => client.register({ ...birth('2026B005'), requestFields: {} })],
]) {
  await call()
  const text = took.toString().replace(host, '{host}').replace(TOKEN, '{token}')
  writeFileSync(new URL(`conversation/${name}.http`, import.meta.url), text)
}
server.close()
