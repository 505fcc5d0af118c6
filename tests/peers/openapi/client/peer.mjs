// A TypeScript client that openapi-typescript generates of `mosip-gateway openapi`, beside a gateway and the simulator. `.ci/run` runs it where
// npm can install it, with node_modules in target/client.
//
//     mkdir -p target/client && cp tests/peers/openapi/client/* target/client/
//     npm ci --prefix target/client --ignore-scripts
//     cargo build && node target/client/peer.mjs target/debug/mosip-gateway
//
// client.ts passes the strict type checker against the types of the document. Then it posts a birth, waits until it is done, reads the messages
// about it, acknowledges them, and reads a problem.

import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import readline from 'node:readline'
import { fileURLToPath } from 'node:url'

const [program] = process.argv.slice(2)
const here = path.dirname(fileURLToPath(import.meta.url))
const tool = (name, ...options) => execFileSync(path.join(here, 'node_modules/.bin', name), options, { stdio: ['ignore', 'ignore', 'inherit'] })

/** The client as JavaScript, once the type checker has nothing against it. */
async function generate(folder) {
  const document = path.join(folder, 'internal.json')
  writeFileSync(document, execFileSync(program, ['openapi', '--listener', 'internal']))
  tool('openapi-typescript', document, '--output', path.join(here, 'internal.d.ts'))
  const options = ['--strict', '--target', 'es2022', '--module', 'nodenext', '--lib', 'es2022,dom']
  execFileSync(path.join(here, 'node_modules/.bin/tsc'), [...options, path.join(here, 'client.ts')], { stdio: 'inherit' })
  return import('./client.js')
}

async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  return port
}

async function startSimulator() {
  const simulator = spawn(program, ['simulator', '--listen', '127.0.0.1:0'], { stdio: ['ignore', 'pipe', 'ignore'] })
  const [url] = await once(readline.createInterface({ input: simulator.stdout }), 'line')
  return [simulator, url]
}

async function startGateway(folder, mosip, token) {
  const [internal, callback, ops] = [await freePort(), await freePort(), await freePort()]
  const settings = {
    LISTEN__INTERNAL: `127.0.0.1:${internal}`,
    LISTEN__CALLBACK: `127.0.0.1:${callback}`,
    LISTEN__OPS: `127.0.0.1:${ops}`,
    INTERNAL__TOKEN_ENV: 'TOKEN',
    OUTBOX__PATH: path.join(folder, 'outbox.db'),
    UPSTREAM__TOKEN__URL: `${mosip}/auth/realms/mosip/protocol/openid-connect/token`,
    UPSTREAM__MEDIATOR__BIRTH: `${mosip}/opencrvs/v1/birth`,
    UPSTREAM__MEDIATOR__AID: `${mosip}/opencrvs/v1/generateAid`,
  }
  const named = Object.entries(settings).map(([name, value]) => [`MOSIP_GATEWAY__${name}`, value])
  const secrets = {
    TOKEN: token,
    MOSIP_AUTH_CLIENT_SECRET: 'example-client-secret',
    PARTNER_MISP_LK: 'example-licence-key',
    PARTNER_APIKEY: 'example-api-key',
    MOSIP_GATEWAY_LOG: 'off',
  }
  const serve = ['serve', '--config', 'deploy/example.toml', '--allow-example-keys']
  const gateway = spawn(program, serve, { env: { ...process.env, ...secrets, ...Object.fromEntries(named) }, stdio: 'inherit' })
  const api = `http://127.0.0.1:${internal}`
  for (const began = Date.now(); ; await new Promise((resolve) => setTimeout(resolve, 50))) {
    if (await fetch(`${api}/v1/keys`).catch(() => false)) return [gateway, api]
    if (Date.now() - began > 60_000) throw new Error('no gateway came')
  }
}

const folder = mkdtempSync(path.join(os.tmpdir(), 'gateway-client-'))
const token = '0123456789abcdef0123456789abcdef'
const running = []
try {
  const { register, refused } = await generate(folder)
  const [simulator, mosip] = await startSimulator()
  running.push(simulator)
  const [gateway, api] = await startGateway(folder, mosip, token)
  running.push(gateway)
  const birth = JSON.parse(readFileSync('src/demo/birth.json', 'utf8'))
  const [event, messages] = await register(api, token, birth)
  assert.equal(event.state, 'done')
  assert.equal(event.id, '3b1c2f40-0000-4000-8000-000000000001')
  assert.deepEqual(messages.map(({ type, verified }) => [type, verified]), [['aid.assigned', 'tls'], ['event.accepted', 'tls']])
  const [, again] = await register(api, token, birth)
  assert.deepEqual(again, [], 'what was acknowledged is gone')
  const problem = await refused(api, token)
  assert.equal(problem.code, 'not-found')
  console.log('a client of openapi-typescript posts a birth, reads it done, takes the messages about it, and reads a problem')
} finally {
  running.forEach((child) => child.kill())
  rmSync(folder, { recursive: true, force: true })
}
