// What a country configuration calls `mosip-api` with, written from the contract of the client of @opencrvs/mosip, which npm does not have: paths
// relative to the URL, two headers, 15 seconds of patience, and how each answer is taken.

const PATIENCE_MS = 15_000

/** The client of 1.9 and later; `authorization` is the whole header. Paths stand below `url`, which may have a path of its own. */
export function createClient(url, authorization) {
  const post = async (path, payload, failure) => {
    const response = await fetch(new URL(path, url).href, {
      method: 'POST',
      body: JSON.stringify(payload),
      headers: { Authorization: authorization, 'content-type': 'application/json' },
      signal: AbortSignal.timeout(PATIENCE_MS),
    })
    if (!response.ok) throw new Error(`${failure}: ${await response.text()}`)
    return response
  }
  return {
    register: async (payload) => (await post('./events/registration', payload, 'Failed to register event')).json(),
    /** 2.0 and later. */
    updateBiographics: async (payload) =>
      (await post('./events/update-biographics', payload, 'Failed to update biographics')).json(),
    verifyNid: async (payload) => (await post('./verify', payload, 'Failed to verify')).text(),
  }
}

const inEnglish = (value) => JSON.stringify([{ language: 'eng', value }])

const envelope = (trackingId, requestFields) => ({
  trackingId,
  notification: { recipientFullName: 'Amina Okoro', recipientEmail: 'amina@example.org', recipientPhone: '0711111111' },
  requestFields,
  metaInfo: {
    metaData: [
      { label: 'registrationType', value: 'NEW' },
      { label: 'machineId', value: '10234' },
      { label: 'centerId', value: '10123' },
    ],
    registrationId: '10123102340000120261030091244',
    operationsData: [{ label: 'officerId', value: '110024' }],
    capturedRegisteredDevices: [],
    creationDate: '2026-11-03T09:12:44.871Z',
  },
  audit: {
    uuid: '75367f14-18ac-4ca6-9a1e-2d8ed2f1f4bd',
    createdAt: '2026-11-03T09:12:44.871Z',
    eventId: 'REG-EVT-066',
    eventName: 'PACKET_CREATION_SUCCESS',
    eventType: 'USER',
    hostName: 'countryconfig',
    hostIp: '10.0.0.7',
    applicationId: 'REG',
    applicationName: 'REGISTRATION',
    sessionUserId: '110024',
    sessionUserName: '110024',
    id: '10123102340000120261030091244',
    idType: 'REGISTRATION_ID',
    createdBy: 'Ada Registrar',
    moduleName: 'Packet Handler',
    moduleId: 'REG-MOD-117',
    description: 'Packet Successfully Created — é',
    actionTimeStamp: '2026-11-03T09:12:44.871Z',
  },
})

/** Births, deaths and changes with values of our own, in the forms of a country configuration. */
export const birth = (birthCertificateNumber, trackingId = `T${birthCertificateNumber}`) =>
  envelope(trackingId, {
    birthCertificateNumber,
    IDSchemaVersion: 3.101,
    fullName: inEnglish('Zoë Okoro'),
    dateOfBirth: '2026/10/30',
    gender: inEnglish('Female'),
    addressLine1: inEnglish('4 Harbour Street'),
    addressLine2: inEnglish(''),
    region: inEnglish('North'),
    province: inEnglish('Lake'),
    city: inEnglish('Port'),
    zone: inEnglish('2'),
    postalCode: '14022',
    phone: '0711111111',
    email: 'amina@example.org',
    preferredLang: 'English',
  })

export const death = (deathCertificateNumber) =>
  envelope(`T${deathCertificateNumber}`, { deathCertificateNumber, VID: '6042817395162840', IDSchemaVersion: 3.101 })

export const change = (VID) => envelope(`T${VID}`, { VID, fullName: inEnglish('Zoë Karim'), dateOfBirth: '2026/10/30' })

export const schema = JSON.stringify({ $schema: 'http://json-schema.org/draft-07/schema#', title: 'An identity', properties: {} })

export const person = { nid: '4152630978', dob: '1990-03-14', name: { firstname: 'Leila', surname: 'Karim' } }
