/** Every bound towards origins. What happens at each is said where it is kept. */
export const ORIGIN_LIMITS = {
  connectMs: 5000,
  /** One question to the origin, from the first byte sent to the last received; a route may set another. */
  requestMs: 10_000,
  /** TEARDOWN is awaited this long, then the connection is destroyed. */
  teardownMs: 2000,
  /** A connection that described a presentation waits this long for the session that probably follows. */
  keptMs: 10_000,
  keptConnections: 8,
  redirects: 3,
  /** Informational answers (1xx) to one request. */
  interimAnswers: 10,
  /** Answers that nobody asked for, on one connection. */
  unsolicitedAnswers: 10,
  /** Requests of the origin in one second. */
  originRequestsPerSecond: 20,
  /** Bytes that may wait to be sent: the origin has stopped reading. */
  unsentBytes: 65_536,
  /** Requests sent with credentials for one answer. */
  credentialTries: 2,
  /** Ways to spell a control URL that are tried. */
  urlForms: 4,
  /** Connections made for one session, counting fallbacks. */
  attempts: 4,
  /** Packets kept while PLAY is not answered yet. */
  earlyPackets: 64,
  /** Packets kept between the answer to PLAY and start(). */
  heldPackets: 1024,
  /** Packets kept at which an interleaved connection is no longer read. */
  heldPauses: 256,
  /** Packets of one UDP stream held back for an earlier one. */
  reorderPackets: 3000,
  reorderMs: 200,
  reportMs: 5000,
  /** Wait of a new viewer for a session of the route's budget; a route may set another. Waiters at most. */
  budgetMs: 30_000,
  budgetWaiters: 256,
  /** Asked for at a time, each on a connection: recorders take a few dozen, and 16 in 50 ms are 320 titles a second. */
  descriptions: 16,
  /** Of those, for one viewer address: one whose titles are slow leaves half to the others. */
  descriptionsPerAccount: 8,
  /** Descriptions in line, as many as sessions. */
  descriptionWaiters: 256,
  /** Wait of a viewer for a description to be asked for. With `requestMs` it makes the 20 s after which GStreamer gives up. */
  descriptionWaitMs: 10_000,
  /** Bound UDP pairs are looked for this often. */
  portTries: 16,
  readBytes: 65_536,
  udpReceiveBytes: 4 * 1024 * 1024,
} as const;
