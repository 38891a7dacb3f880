/** One limit: its default, the label it is counted under in `forebay_rejects_total`, and what is done when it is reached. */
interface Limit {
  readonly value: number;
  readonly reason: string;
  readonly answer: string;
}

const SECOND = 1000;

/**
 * Every limit of the viewer side. Names end in their unit; those without one count things. Time limits are checked by a
 * sweep twice a second, so that they act up to half a second late.
 */
const TABLE = {
  connections: { value: 4096, reason: 'connections', answer: 'closed as it is accepted' },
  connectionsPerAddress: { value: 64, reason: 'connections-per-address', answer: 'closed as it is accepted' },
  sessions: { value: 4096, reason: 'sessions', answer: '503 with Retry-After' },
  /** At work without a pause, and late. A crowd that comes at once is through by then. */
  overloadMs: { value: 10 * SECOND, reason: 'overload', answer: 'new sessions: 503 with Retry-After' },
  sessionsPerAddress: { value: 64, reason: 'sessions-per-address', answer: '453' },
  udpSessionsPerAddress: { value: 32, reason: 'udp-sessions-per-address', answer: '453' },
  sessionsPerConnection: { value: 8, reason: 'sessions-per-connection', answer: '453' },
  /** Requests that wait behind the one being answered. */
  pipelinedRequests: { value: 32, reason: 'pipeline', answer: 'no more is read until they are answered' },
  /** What one read may add to the queue before reading stops. */
  queuedRequests: { value: 1000, reason: 'request-flood', answer: 'connection closed' },
  requestsPerSecond: { value: 50, reason: 'request-rate', answer: 'answered later, reading stops' },
  requestBurst: { value: 128, reason: 'request-rate', answer: 'answered later, reading stops' },
  /** Answers and media that wait for one viewer to read. */
  pendingBytes: { value: 65536, reason: 'unread', answer: 'no request is answered, no media is sent' },
  /** Over TLS once for the handshake, and once for what comes behind it. */
  firstByteMs: { value: 9 * SECOND, reason: 'idle', answer: 'connection closed' },
  /** A request or frame that was begun and not finished, however many bytes trickle in. */
  unfinishedMs: { value: 9 * SECOND, reason: 'unfinished-request', answer: '408, connection closed' },
  /** A connection that no session was made on. */
  idleMs: { value: 60 * SECOND, reason: 'idle', answer: 'connection closed' },
  /** From the viewer's FIN, or from our last answer, to the end of the connection. */
  lingerMs: { value: 2 * SECOND, reason: 'linger', answer: 'connection closed' },
  /** Nothing of what is pending was read by the viewer. */
  stalledMs: { value: 10 * SECOND, reason: 'stalled', answer: 'connection closed' },
  /** Set up, then neither played nor named again. */
  unplayedMs: { value: 30 * SECOND, reason: 'unplayed', answer: 'session ended' },
  /**
   * A UDP session plays, nothing ever came from the ports that media goes to, and nothing else is heard of the viewer. With
   * something from there it is half the session timeout and `graceMs`: FFmpeg reports only once in 280 kB, and sends its
   * keep-alive at half the timeout.
   */
  silentMs: { value: 15 * SECOND, reason: 'silent', answer: 'sending stops until something is heard' },
  /** What a UDP session has beyond the timeout announced in SETUP. */
  graceMs: { value: 5 * SECOND, reason: 'session-timeout', answer: 'session ended' },
  /** Datagrams to the viewer cannot leave, as the system says. */
  unreachableMs: { value: 3 * SECOND, reason: 'unreachable', answer: 'session ended' },
  /** Interleaved frames on a connection that has no session. */
  earlyFrames: { value: 10, reason: 'early-frames', answer: 'connection closed' },
  /** Interleaved frames, in 10 s, on channels that were not set up, or that nothing is awaited on. */
  strayFrames: { value: 1000, reason: 'stray-frames', answer: 'connection closed' },
  reportsPerSecond: { value: 50, reason: 'report-rate', answer: 'dropped' },
  /** Unknown session ids from one address in a minute. */
  guessesPerMinute: { value: 20, reason: 'session-guesses', answer: '454, connection closed' },
  /** Logins that were wrong, from one address in a minute. */
  failedLoginsPerMinute: {
    value: 20,
    reason: 'failed-logins',
    answer: '401 without a look at the login, connection closed',
  },
  /** TLS handshakes that were begun, from one address in a minute: each costs as much as many requests. */
  handshakesPerMinute: { value: 600, reason: 'tls-handshakes', answer: 'closed as it is accepted' },
  /** Proxies that a request went through: more is a loop. */
  viaEntries: { value: 16, reason: 'loop', answer: '502' },
  /** Ports tried for one stream. */
  portAttempts: { value: 64, reason: 'udp-ports', answer: '453' },
} as const satisfies Readonly<Record<string, Limit>>;

type LimitName = keyof typeof TABLE;

export type ViewerLimits = { readonly [name in LimitName]: number };

/** Why input of a viewer was refused, beyond the limits: labels of `forebay_rejects_total`. */
const REJECTS = {
  'bad-request': 'bytes that are no RTSP: answered and the connection closed',
  'stray-response': 'an RTSP response, where only requests belong: dropped',
  'foreign-address': 'media or RTCP from another address than the viewer: dropped',
  'foreign-session': 'the id of a session of another address: 454',
  'bad-report': 'RTCP that is malformed: dropped',
  login: 'a user or a password that are wrong: 401',
  tls: 'what is no TLS, or has no version or cipher in common with us: connection closed',
  destination: 'media asked to be sent elsewhere: 462',
  port: 'a media port that is one of our own: 461',
  draining: 'a new session while the proxy drains: 503',
} as const;

export type RejectReason = (typeof TABLE)[LimitName]['reason'] | keyof typeof REJECTS;

export const LIMIT_REASONS = Object.fromEntries(
  Object.entries(TABLE).map(([name, limit]) => [name, limit.reason]),
) as { readonly [name in LimitName]: (typeof TABLE)[name]['reason'] };

export const VIEWER_LIMITS = Object.fromEntries(
  Object.entries(TABLE).map(([name, limit]) => [name, limit.value]),
) as ViewerLimits;
