// npm's @trpc/client, @trpc/server and superjson, in the versions that OpenCRVS pins, as a second opinion on what passes between the gateway and
// OpenCRVS's core. `.ci/run` runs it where npm can install them, with node_modules in target/opencrvs.
//
//     mkdir -p target/opencrvs && cp tests/peers/opencrvs/*.* target/opencrvs/
//     npm ci --prefix target/opencrvs --legacy-peer-deps --ignore-scripts
//     cargo build && node target/opencrvs/peer.mjs target/debug/mosip-gateway
//
// 1. A core made of @trpc/server takes what the gateway sends, and the gateway reads what it answers: events with dates and with members that
//    are undefined, and its errors.
// 2. @trpc/client sends the same bytes as the gateway for the same calls.
// 3. @trpc/client is served by the simulator's core, and reads its answers and its errors.
// 4. client.mjs registers at the routes of `mosip-api` with the token of a record, and the record is confirmed in that core.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import readline from 'node:readline'
import { createTRPCClient, httpBatchLink, TRPCClientError } from '@trpc/client'
import superjson from 'superjson'
import { birth, createClient, person } from './client.mjs'
import { Core } from './core.mjs'

const [program] = process.argv.slice(2)
const NUMBER = '4961027835190246'
const SECRET = 'example-client-secret'
const CALLBACK = '/websub/callback/0123456789abcdef0123456789abcdef'
const ACCEPT = 'event.actions.register.accept'
const REJECT = 'event.actions.register.reject'

/** Asks again and again until `look` finds something. */
async function until(what, look) {
  let last
  for (const began = Date.now(); Date.now() - began < 60_000; ) {
    try {
      last = await look()
      if (last) return last
    } catch (error) {
      last = error
    }
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error(`${what} did not come: ${last}`)
}

async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  return port
}

const post = async (url, body) => {
  const headers = { 'content-type': 'application/json' }
  const reply = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) })
  assert(reply.ok, `${url}: ${reply.status} ${await reply.clone().text()}`)
  return reply.json()
}

const json = async (url) => (await fetch(url)).json()

async function startSimulator() {
  const simulator = spawn(program, ['simulator', '--listen', '127.0.0.1:0'], { stdio: ['ignore', 'pipe', 'ignore'] })
  const [url] = await once(readline.createInterface({ input: simulator.stdout }), 'line')
  return { simulator, url }
}

async function startGateway(folder, mosip, core) {
  const [internal, callback, ops] = [await freePort(), await freePort(), await freePort()]
  const token = `${mosip}/v1/authmanager/authenticate/clientidsecretkey`
  const settings = {
    LISTEN__INTERNAL: `127.0.0.1:${internal}`,
    LISTEN__CALLBACK: `127.0.0.1:${callback}`,
    LISTEN__OPS: `127.0.0.1:${ops}`,
    OUTBOX__PATH: path.join(folder, 'outbox.db'),
    UPSTREAM__PROBE_INTERVAL: '1s',
    UPSTREAM__PACKETS__CREATE: `${mosip}/commons/v1/packetmanager/createPacket`,
    UPSTREAM__PACKETS__PROCESS: `${mosip}/registrationprocessor/v1/workflowmanager/workflowinstance`,
    UPSTREAM__PACKETS__CENTER_ID: '10123',
    UPSTREAM__PACKETS__MACHINE_ID: '10234',
    UPSTREAM__PACKETS__TOKEN__URL: token,
    UPSTREAM__PACKETS__TOKEN__KIND: 'authmanager',
    UPSTREAM__PACKETS__TOKEN__APP_ID: 'admin',
    UPSTREAM__PACKETS__TOKEN__CLIENT_ID: 'opencrvs',
    UPSTREAM__PACKETS__TOKEN__CLIENT_SECRET_ENV: 'MOSIP_AUTH_CLIENT_SECRET',
    WEBSUB__HUB_URL: `${mosip}/hub`,
    WEBSUB__CALLBACK_URL: `http://127.0.0.1:${callback}${CALLBACK}`,
    WEBSUB__TOKEN__URL: `${mosip}/auth/realms/mosip/protocol/openid-connect/token`,
    OPENCRVS__URL: core,
    OPENCRVS__AUTH_URL: `${core}/auth`,
    OPENCRVS__CLIENT_ID: 'opencrvs',
    OPENCRVS__CLIENT_SECRET_ENV: 'MOSIP_AUTH_CLIENT_SECRET',
    OPENCRVS__NATIONAL_ID_KEY: 'VID',
    FACES__MOSIP_API: 'true',
    FACES__OPENCRVS_JWT__URL: `${mosip}/core/auth/.well-known`,
    UPSTREAM__IDA__URL: `${mosip}/idauthentication/v1`,
  }
  const secrets = {
    MOSIP_AUTH_CLIENT_SECRET: SECRET,
    PARTNER_MISP_LK: 'example-licence-key',
    PARTNER_APIKEY: 'example-api-key',
    HUB_SECRET: 'example-hub-secret',
    MOSIP_GATEWAY_LOG: 'off',
  }
  const named = Object.entries(settings).map(([name, value]) => [`MOSIP_GATEWAY__${name}`, value])
  const env = { ...process.env, ...secrets, ...Object.fromEntries(named) }
  const serve = ['serve', '--config', 'deploy/example-hub.toml', '--allow-example-keys']
  const gateway = spawn(program, serve, { env, stdio: 'inherit' })
  const api = `http://127.0.0.1:${internal}`
  await until('the gateway', () => json(`${api}/v1/keys`))
  return { gateway, api }
}

/** The client as core's toolkit makes it. */
function client(url, token) {
  const headers = () => ({ authorization: `Bearer ${token}` })
  return createTRPCClient({ links: [httpBatchLink({ url: `${url}/events`, transformer: superjson, headers })] })
}

/** A registration goes to MOSIP, and what MOSIP says comes back; the entry that confirms it. */
class Registrations {
  count = 0

  constructor(api, mosip, core) {
    Object.assign(this, { api, mosip, core })
  }

  async send(kind, what, fields) {
    const eventId = `e${(this.count += 1)}`
    if (what) this.core.asks(eventId, `a-${eventId}`, what)
    const { id } = await post(`${this.api}/v1/packets/${kind}`, { trackingId: `T-${eventId}`, eventId, requestFields: fields(eventId) })
    await until('the packet', async () => (await json(`${this.api}/v1/events/${id}`)).state === 'done')
    return { id, eventId }
  }

  birth = (what = 'register') => this.send('birth', what, (event) => ({ birthCertificateNumber: `B-${event}` }))

  async issue({ id }, number) {
    const registration = { registration_id: id, ...(number && { number }) }
    const issued = { registration, credential_type: 'vercred' }
    assert.equal((await post(`${this.mosip}/simulator/issue`, issued)).subscribers, 1)
  }

  async reject({ id }) {
    const topic = 'REGISTRATION_PROCESSOR_WORKFLOW_COMPLETED_EVENT'
    const result = { instanceId: id, resultCode: 'REJECTED', errorCode: 'PACKET_REJECTED' }
    await post(`${this.mosip}/simulator/publish?hub.topic=${topic}`, result)
  }

  /** The entry that confirms it, once `condition` holds of it. */
  entry = ({ id }, condition) =>
    until(`the confirmation of ${id}`, async () => {
      const entry = await json(`${this.api}/v1/events/${id}@opencrvs`)
      return condition(entry) && entry
    })

  done = (registration) => this.entry(registration, (entry) => entry.state === 'done')

  failed = (registration) => this.entry(registration, (entry) => entry.lastFault)
}

/** The gateway's confirmations against a core of @trpc/server. */
async function theGatewayAgainstTheServer(core, all) {
  const birth = await all.birth()
  await all.issue(birth, NUMBER)
  await all.done(birth)
  const [accepted, ...none] = core.decisions(birth.eventId)
  assert.equal(none.length, 0)
  assert.deepEqual(
    [accepted.status, accepted.registrationNumber, accepted.declaration],
    ['Accepted', `B-${birth.eventId}`, { 'child.nid': NUMBER }],
  )

  const death = await all.send('death', 'register', (event) => ({ deathCertificateNumber: `D-${event}` }))
  await all.issue(death)
  await all.done(death)
  assert.deepEqual(core.decisions(death.eventId)[0].declaration, {})

  const correction = await all.send('birth-correction', 'correction', () => ({ VID: '8031687218' }))
  await all.issue(correction, NUMBER)
  await all.done(correction)
  assert.equal(core.decisions(correction.eventId)[0].requestId, `a-${correction.eventId}-request`)

  const rejected = await all.birth()
  await all.reject(rejected)
  await all.done(rejected)
  assert.deepEqual(core.decisions(rejected.eventId).map((action) => action.status), ['Rejected'])
  console.log('1  a core of @trpc/server takes an acceptance, a death, a correction and a rejection')

  // A call that is refused says who has to act.
  for (const [procedure, code] of [[ACCEPT, 'CONFLICT'], ['event.get', 'INTERNAL_SERVER_ERROR'], [ACCEPT, 'TOO_MANY_REQUESTS']]) {
    const waits = await all.birth()
    core.errors.set(procedure, code)
    await all.issue(waits, NUMBER)
    assert.equal((await all.done(waits)).attempts, 2, `${code}: it is tried again`)
  }
  const renewed = await all.birth()
  const tokens = core.tokensIssued
  core.errors.set('event.get', 'UNAUTHORIZED')
  await all.issue(renewed, NUMBER)
  assert.equal((await all.done(renewed)).attempts, 1, 'with a new token at once')
  assert.equal(core.tokensIssued, tokens + 1)

  const decided = await all.birth()
  core.errors.set(ACCEPT, 'BAD_REQUEST')
  await all.issue(decided, NUMBER)
  assert.equal((await all.entry(decided, (entry) => entry.state === 'parked')).lastFault.upstream, 'BAD_REQUEST')
  for (const [status, procedure] of [['Rejected', ACCEPT], ['Accepted', REJECT]]) {
    const overtaken = await all.birth()
    core.meanwhile.set(procedure, () => core.decides(overtaken.eventId, `a-${overtaken.eventId}`, status))
    await (status === 'Rejected' ? all.issue(overtaken, NUMBER) : all.reject(overtaken))
    const { lastFault } = await all.entry(overtaken, (entry) => entry.state === 'parked')
    assert.equal(lastFault.upstream, 'BAD_REQUEST', status)
  }
  const unknown = await all.birth(null)
  await all.issue(unknown, NUMBER)
  assert.equal((await all.entry(unknown, (entry) => entry.state === 'parked')).lastFault.upstream, 'NOT_FOUND')

  const forbidden = await all.birth()
  core.errors.set('event.get', 'FORBIDDEN')
  await all.issue(forbidden, NUMBER)
  await all.done(forbidden)
  const early = await all.birth()
  core.isOld = true
  await all.issue(early, NUMBER)
  const { lastFault } = await all.failed(early)
  assert.deepEqual([lastFault.fault, lastFault.advice.includes('does not know this call')], ['partner', true], lastFault)
  core.isOld = false
  await all.done(early)
  console.log('2  its errors are read: CONFLICT waits, UNAUTHORIZED fetches a token, BAD_REQUEST and NOT_FOUND park, a missing procedure is said')
  return { birth, death, correction, rejected }
}

/** What the client sends for the calls that the gateway made, beside what the gateway sent. */
async function theClientBesideTheGateway(core, { birth, death, correction, rejected }) {
  const sent = (path, { eventId }) => {
    const ours = core.requests.filter(({ url, body }) => {
      const [input] = [body || new URL(url, core.url).searchParams.get('input')]
      return url.startsWith(`/events/${path}?`) && JSON.parse(input)['0'].json.eventId === eventId
    })
    assert.equal(ours.length, 1, path)
    return ours[0]
  }
  const { event } = client(core.url, core.token)
  const { register, correction: corrections } = event.actions
  const ids = ({ eventId }) => ({
    transactionId: core.decisions(eventId)[0].transactionId,
    eventId,
    actionId: `a-${eventId}`,
  })
  const number = { declaration: { 'child.nid': NUMBER } }
  for (const [path, registration, call] of [
    ['event.get', birth, () => event.get.query({ eventId: birth.eventId })],
    [ACCEPT, birth, () => register.accept.mutate({ ...ids(birth), registrationNumber: `B-${birth.eventId}`, ...number })],
    [ACCEPT, death, () => register.accept.mutate({ ...ids(death), registrationNumber: `D-${death.eventId}`, declaration: {} })],
    [REJECT, rejected, () => register.reject.mutate(ids(rejected))],
    [
      'event.actions.correction.approve.accept',
      correction,
      () => corrections.approve.accept.mutate({ ...ids(correction), requestId: `a-${correction.eventId}-request`, ...number }),
    ],
  ]) {
    const ours = sent(path, registration)
    const answer = await call()
    assert.equal(answer.id, registration.eventId)
    assert(answer.createdAt instanceof Date)
    const theirs = core.requests.at(-1)
    const { contentType, ...line } = theirs
    assert.deepEqual({ method: ours.method, url: ours.url, body: ours.body }, line, path)
    assert(ours.body === '' || ours.contentType === contentType, path)
    assert.equal(core.decisions(registration.eventId).length, 1, 'a repeat of the client decides nothing anew')
  }
  console.log('3  @trpc/client sends method, path, query and body byte for byte as the gateway does')

  // superjson notes where a member was undefined, and this version does not find the place again where a name has a dot.
  const note = superjson.serialize({ declaration: { 'child.nid': undefined } })
  assert.deepEqual(note.meta.values, { 'declaration.child.nid': ['undefined'] })
  assert.deepEqual(superjson.deserialize(note), { declaration: { 'child.nid': null } })
  assert.deepEqual(superjson.deserialize({ json: { declaration: {} } }), { declaration: {} })
  console.log('4  superjson reads an undefined child.nid as null; left out, as the gateway leaves it out, it is not there')
}

/** The client against the simulator's core. */
async function theClientAgainstTheSimulator(mosip) {
  const core = `${mosip}/core`
  const form = new URLSearchParams({ client_id: 'opencrvs', client_secret: SECRET, grant_type: 'client_credentials' })
  const { access_token } = await (await fetch(`${core}/auth/token`, { method: 'POST', body: form })).json()
  const { event } = client(core, access_token)
  const ask = (eventId, awaits) => post(`${mosip}/simulator/record`, { eventId, actionId: `a-${eventId}`, awaits })
  const ids = (eventId) => ({ transactionId: `t-${eventId}`, eventId, actionId: `a-${eventId}` })
  const code = async (call) => {
    const error = await call.then(() => assert.fail('it was taken'), (error) => error)
    assert(error instanceof TRPCClientError, error)
    return [error.data?.code, error.data?.httpStatus]
  }
  await ask('s1', 'registration')
  const waits = await event.get.query({ eventId: 's1' })
  assert.deepEqual([waits.createdAt instanceof Date, waits.actions[0].status], [true, 'Requested'])
  const accepted = { ...ids('s1'), registrationNumber: 'B1', declaration: { 'child.nid': NUMBER } }
  for (let round = 0; round < 2; round += 1) {
    const taken = await event.actions.register.accept.mutate(accepted)
    assert.deepEqual(taken.actions.map((action) => action.status), ['Requested', 'Accepted'])
  }
  assert.deepEqual(await code(event.actions.register.reject.mutate(ids('s1'))), ['INTERNAL_SERVER_ERROR', 500])
  assert.deepEqual(await code(event.get.query({ eventId: 'none' })), ['NOT_FOUND', 404])
  assert.deepEqual(await code(client(core, 'a.b.c').event.get.query({ eventId: 's1' })), ['UNAUTHORIZED', 401])

  // As mosip-api says that a death brings no number.
  await ask('s2', 'registration')
  const death = { ...ids('s2'), registrationNumber: 'D1', declaration: { 'child.nid': undefined } }
  assert.equal((await event.actions.register.accept.mutate(death)).actions.length, 2)

  await ask('s3', 'correction')
  const approved = { ...ids('s3'), requestId: 'a-s3-request', declaration: { 'child.nid': NUMBER } }
  assert.equal((await event.actions.correction.approve.accept.mutate(approved)).actions.length, 2)

  await ask('s4', 'registration')
  for (const [opencrvs, answer] of [['conflict', ['CONFLICT', 409]], ['forbidden', ['FORBIDDEN', 403]]]) {
    await post(`${mosip}/simulator/behaviour`, { opencrvs })
    assert.deepEqual(await code(event.actions.register.reject.mutate(ids('s4'))), answer)
  }
  await post(`${mosip}/simulator/behaviour`, {})
  await event.actions.register.reject.mutate(ids('s4'))
  console.log("5  the simulator's core serves @trpc/client: dates, undefined, and errors by their codes")
}

/** A country configuration beside the gateway and the core. */
async function theCountryConfiguration(core, all) {
  const { token } = await post(`${all.mosip}/simulator/record`, { eventId: 'cc1', actionId: 'a-cc1', awaits: 'registration' })
  core.asks('cc1', 'a-cc1', 'register')
  const client = createClient(all.api, `Bearer ${token}`)
  assert.deepEqual(await client.register(birth('2026B001')), {})
  const packet = await until('the packet', async () => {
    const { packets } = await json(`${all.mosip}/simulator/history`)
    return packets.find(({ content, processed }) => content.fields.birthCertificateNumber === '2026B001' && processed === 1)
  })
  await all.issue(packet, NUMBER)
  await all.done(packet)
  assert.equal(core.decisions('cc1')[0].registrationNumber, '2026B001')
  assert.equal(await client.verifyNid(person), 'verified')
  assert.equal(await client.verifyNid({ ...person, dob: '1990-03-15' }), 'failed')
  await assert.rejects(client.verifyNid({ ...person, dob: '01.02.2002' }), /^Error: Failed to verify: {"error":"\/dob: /)
  const stranger = createClient(all.api, 'Bearer a.b.c')
  await assert.rejects(stranger.register(birth('2026B002')), /^Error: Failed to register event: {"error":"Unauthorized"}$/)
  console.log('6  the client of a country configuration registers, the record is confirmed; it tells verified, failed and refusals')
}

const folder = mkdtempSync(path.join(os.tmpdir(), 'opencrvs-peer-'))
const core = await new Core().start()
const running = []
try {
  const { simulator, url: mosip } = await startSimulator()
  running.push(simulator)
  const { gateway, api } = await startGateway(folder, mosip, core.url)
  running.push(gateway)
  await until('the subscriptions', async () => {
    const { hub_calls } = await json(`${mosip}/simulator/history`)
    return hub_calls.filter((call) => call.mode === 'subscribe' && !call.denial).length >= 3
  })
  const all = new Registrations(api, mosip, core)
  const made = await theGatewayAgainstTheServer(core, all)
  await theClientBesideTheGateway(core, made)
  await theClientAgainstTheSimulator(mosip)
  await theCountryConfiguration(core, all)
} finally {
  running.forEach((child) => child.kill())
  core.stop()
  rmSync(folder, { recursive: true, force: true })
}
