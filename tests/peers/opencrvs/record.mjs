// Writes down what a client of `mosip-api` puts on the wire, into conversation/. The bytes are those of node's own fetch; host and token are left
// out, for whoever replays them. tests/it/mosip_api/recorded.rs does.
//
//     node record.mjs 1.9 CLIENT    that of @opencrvs/mosip 1.9
//     node record.mjs 2.1 CLIENT    that of 2.0 and later
//     node record.mjs written       what no client at hand sends, by client.mjs
//
// CLIENT is the module that has `createMosipInteropClient`, made JavaScript of its source; README.md says where that is.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { birth, change, createClient, death, person, schema } from './client.mjs'

const END = Buffer.from('\r\n\r\n')
const TOKEN = 'a.b.c'

/** The calls of each source, under the names of what they leave. */
const CALLS = {
  '1.9': (client) => ({
    '1.9-birth': () => client.register(birth('2026B001')),
    '1.9-death': () => client.register(death('2026D001')),
    '1.9-verify': () => client.verifyNid({ ...person, gender: 'female', transactionId: 'c9a1' }),
    '1.9-verify-another': () => client.verifyNid({ ...person, dob: '1990-03-15' }),
    '1.9-verify-odd-date': () => client.verifyNid({ ...person, dob: '01.02.2002' }),
    '1.9-nothing-registered': () => client.register({ ...birth('2026B005'), requestFields: {} }),
  }),
  '2.1': (client) => ({
    '2.1-birth': () => client.register(birth('2026B006')),
    '2.1-birth-with-schema': () => client.register({ ...birth('2026B002'), schemaJson: schema }),
    '2.1-death': () => client.register(death('2026D002')),
    '2.1-change': () => client.updateBiographics(change('8031687218')),
    '2.1-verify': () => client.verifyNid({ ...person, gender: 'female', transactionId: 'c9a1' }),
  }),
  written: (client) => ({
    '2.0-birth-with-event': () => client.register({ ...birth('2026B003'), eventId: '5f1c7f52-8b54-4f5e-9f0b-0d2f1c9be6a1' }),
    '2.1-birth-of-its-tests': () => client.register({ ...birth('2026B004'), requestFields: { birthCertificateNumber: '2026B004' }, metaInfo: {}, audit: {} }),
  }),
}

const [source, file] = process.argv.slice(2)
assert(source in CALLS && (source === 'written') === (file === undefined), 'see the head of this file')
const create = file ? (await import(pathToFileURL(path.resolve(file)).href)).createMosipInteropClient : createClient

let took
/** Answers each request as its client takes it, and keeps it once all of it is there. */
const server = net.createServer((socket) => {
  let seen = Buffer.alloc(0)
  socket.on('data', (bytes) => {
    seen = Buffer.concat([seen, bytes])
    const end = seen.indexOf(END)
    const length = end < 0 ? undefined : Number(/content-length: (\d+)/i.exec(seen.subarray(0, end))[1])
    if (end < 0 || seen.length < end + END.length + length) return
    took = seen
    const answer = took.toString().startsWith('POST /verify ') ? 'verified' : '{}'
    socket.end(`HTTP/1.1 202 Accepted\r\nContent-Length: ${answer.length}\r\nConnection: close\r\n\r\n${answer}`)
  })
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
const host = `127.0.0.1:${server.address().port}`

for (const [name, call] of Object.entries(CALLS[source](create(`http://${host}/`, `Bearer ${TOKEN}`)))) {
  await call()
  const text = took.toString().replace(host, '{host}').replace(TOKEN, '{token}')
  writeFileSync(new URL(`conversation/${name}.http`, import.meta.url), text)
}
server.close()
