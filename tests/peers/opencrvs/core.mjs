// A core of OpenCRVS made of npm's @trpc/server and superjson: its records, and the procedures by which a registration or a correction that
// waits is looked up, accepted and rejected. It keeps what comes, byte for byte.

import http from 'node:http'
import { once } from 'node:events'
import { initTRPC, TRPCError } from '@trpc/server'
import { createHTTPHandler } from '@trpc/server/adapters/standalone'
import superjson from 'superjson'

const t = initTRPC.context().create({ transformer: superjson })

const TYPES = { register: 'REGISTER', correction: 'APPROVE_CORRECTION' }

/** A parser that takes an object with these members, no others, and all that are texts. */
const members = (texts, fields = []) => (input) => {
  const names = [...texts, ...fields]
  const isFit =
    Object.keys(input).every((name) => names.includes(name)) &&
    texts.every((name) => typeof input[name] === 'string' && input[name] !== '') &&
    fields.every((name) => Object.values(input[name]).every((value) => value === null || typeof value === 'string'))
  if (!isFit) throw new Error(`the input has not the members ${names}`)
  return input
}

const IDS = ['transactionId', 'eventId', 'actionId']

export class Core {
  events = new Map()
  /** Each request to a procedure: method, url, contentType, body. */
  requests = []
  /** The error that the next call of this procedure ends with, by procedure. */
  errors = new Map()
  /** What somebody else does right before the next call of this procedure, by procedure. */
  meanwhile = new Map()
  tokensIssued = 0
  /** The token that counts. */
  token
  /** It has none of the procedures. */
  isOld = false

  async start() {
    const old = createHTTPHandler({ router: t.router({}), basePath: '/events/' })
    const current = createHTTPHandler({
      router: this.#router(),
      basePath: '/events/',
      createContext: ({ req }) => ({ authorization: req.headers.authorization }),
    })
    this.server = http.createServer(async (request, response) => {
      const chunks = []
      for await (const chunk of request) chunks.push(chunk)
      const body = Buffer.concat(chunks).toString()
      if (request.url === '/auth/token') return this.#token(body, response)
      const { method, url } = request
      this.requests.push({ method, url, contentType: request.headers['content-type'], body })
      request.body = body
      return this.isOld ? old(request, response) : current(request, response)
    })
    this.server.listen(0, '127.0.0.1')
    await once(this.server, 'listening')
    this.url = `http://127.0.0.1:${this.server.address().port}`
    return this
  }

  /** Somebody else decides what waits as `actionId`: `Accepted` or `Rejected`. */
  decides(eventId, actionId, status) {
    this.#record(eventId).actions.push(this.#action(`${actionId}-${status}`, TYPES.register, status, { originalActionId: actionId }))
  }

  stop() {
    this.server.close()
    this.server.closeAllConnections()
  }

  /** From now on `what` (`register`, `correction`) waits in the record `eventId` as the action `actionId`. */
  asks(eventId, actionId, what) {
    const action = { requestId: what === 'correction' ? `${actionId}-request` : undefined, originalActionId: undefined }
    this.#record(eventId, true).actions.push(this.#action(actionId, TYPES[what], 'Requested', action))
  }

  /** What was decided in the record. */
  decisions(eventId) {
    return this.#record(eventId).actions.filter((action) => action.status !== 'Requested')
  }

  #record(id, isMade = false) {
    if (isMade && !this.events.has(id)) {
      const dates = { createdAt: new Date(), updatedAt: new Date(), dateOfEvent: undefined }
      this.events.set(id, { id, type: 'birth', trackingId: 'B77AAA', ...dates, actions: [] })
    }
    const record = this.events.get(id)
    if (!record) throw new TRPCError({ code: 'NOT_FOUND', message: 'Event not found with ID: ' + id })
    return record
  }

  #action(id, type, status, more) {
    return { id, type, status, createdAt: new Date(), createdAtLocation: undefined, declaration: {}, ...more }
  }

  #token(body, response) {
    const { client_id, client_secret, grant_type } = Object.fromEntries(new URLSearchParams(body))
    const isKnown = [client_id, client_secret, grant_type].join() === 'opencrvs,example-client-secret,client_credentials'
    if (isKnown) {
      this.tokensIssued += 1
      const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')
      const claims = { exp: Math.floor(Date.now() / 1000) + 600, jti: `${this.tokensIssued}` }
      this.token = `${part({ alg: 'RS256', typ: 'JWT' })}.${part(claims)}.c2ln`
    }
    response.writeHead(isKnown ? 200 : 401, { 'content-type': 'application/json' })
    response.end(JSON.stringify(isKnown ? { access_token: this.token } : { error: 'invalid_client' }))
  }

  #router() {
    const procedure = t.procedure.use(({ ctx, path, next }) => {
      const code = this.errors.get(path)
      if (code) {
        this.errors.delete(path)
        throw new TRPCError({ code, message: code === 'CONFLICT' ? 'User is assigned to this event' : code })
      }
      this.meanwhile.get(path)?.()
      this.meanwhile.delete(path)
      if (ctx.authorization !== `Bearer ${this.token}`) throw new TRPCError({ code: 'UNAUTHORIZED' })
      return next()
    })
    const decides = (what, status, texts, fields) =>
      procedure.input(members([...IDS, ...texts], fields)).mutation(({ input }) => this.#decide(what, status, input))
    return t.router({
      event: t.router({
        get: procedure.input(members(['eventId'])).query(({ input }) => this.#record(input.eventId)),
        actions: t.router({
          register: t.router({
            accept: decides('register', 'Accepted', ['registrationNumber'], ['declaration']),
            reject: decides('register', 'Rejected', []),
          }),
          correction: t.router({
            approve: t.router({
              accept: decides('correction', 'Accepted', ['requestId'], ['declaration']),
              reject: decides('correction', 'Rejected', ['requestId']),
            }),
          }),
        }),
      }),
    })
  }

  #decide(what, status, input) {
    const record = this.#record(input.eventId)
    const asked = record.actions.find((action) => action.id === input.actionId && action.type === TYPES[what])
    if (!asked || asked.requestId !== input.requestId) throw new TRPCError({ code: 'NOT_FOUND', message: 'Action not found' })
    const before = record.actions.find((action) => action.originalActionId === asked.id)
    // As core does it: an acceptance is refused with a code, and a rejection throws.
    if (before && before.status !== status && status === 'Rejected') throw new Error('Action has already been accepted.')
    if (before && before.status !== status) throw new TRPCError({ code: 'BAD_REQUEST', message: 'Action has already been rejected.' })
    const { transactionId, registrationNumber, declaration, requestId } = input
    const more = { originalActionId: asked.id, transactionId, registrationNumber, declaration, requestId }
    if (!before) record.actions.push(this.#action(`${asked.id}-${status}`, TYPES[what], status, more))
    return record
  }
}
