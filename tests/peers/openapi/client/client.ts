import createClient from 'openapi-fetch'
import type { components, paths } from './internal.js'

type Event = components['schemas']['Event']
type Delivery = components['schemas']['Delivery']
type Problem = components['schemas']['Problem']

/** The answer, where it is none of the problems that the document lists. */
function taken<T>({ data, error, response }: { data?: T; error?: Problem; response: Response }): T {
  if (error) throw new Error(`${response.status} ${error.code}: ${error.detail} ${error.advice}`)
  return data as T
}

/** Hands `webhook` to the gateway at `baseUrl`, waits until MOSIP has it, and takes the messages about it out of the inbox. */
export async function register(baseUrl: string, token: string, webhook: unknown): Promise<[Event, Delivery[]]> {
  const gateway = createClient<paths>({ baseUrl, headers: { authorization: `Bearer ${token}` } })
  const birth = { params: { path: { id: 'birth' as const } }, body: webhook }
  const { id } = taken(await gateway.POST('/v1/events/{id}', birth))
  let event: Event
  do {
    event = taken(await gateway.GET('/v1/events/{id}', { params: { path: { id } } }))
  } while (event.state === 'queued' || event.state === 'leased')
  const { messages } = taken(await gateway.GET('/v1/inbox'))
  const about = messages.filter(({ data }) => data?.id === id)
  for (const { id } of about) taken(await gateway.POST('/v1/inbox/{id}/ack', { params: { path: { id } } }))
  return [event, about]
}

/** What the gateway says of an event that is not there. */
export async function refused(baseUrl: string, token: string): Promise<Problem | undefined> {
  const gateway = createClient<paths>({ baseUrl, headers: { authorization: `Bearer ${token}` } })
  return (await gateway.GET('/v1/events/{id}', { params: { path: { id: 'nobody' } } })).error
}
