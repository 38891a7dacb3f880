/**
 * Every bound that this package keeps. A peer that exceeds one gets the answer named in `errors.ts`;
 * nothing grows beyond it first.
 */
export const LIMITS = {
  /** Method token of a request line. */
  methodBytes: 64,
  /** Request URL; longer is 414. */
  urlBytes: 2048,
  /** Request line of a viewer: method, URL, version and two spaces. */
  startLineBytes: 64 + 2048 + 16,
  /** Status line of an origin, reason phrase included. */
  statusLineBytes: 4096,
  /** Empty bytes (CR, LF) before a viewer's request: four line ends. */
  blankBytes: 8,
  headerNameBytes: 512,
  headerValueBytes: 8192,
  /** Header lines of a viewer's request. */
  headerLines: 64,
  /** Start line and headers of a viewer's request. */
  headBytes: 16_384,
  /** Header lines of an origin's answer. */
  originHeaderLines: 256,
  /** Start line and headers of an origin's answer. */
  originHeadBytes: 65_536,
  /** Message body, either way. A description larger than this is no description. */
  bodyBytes: 262_144,
  /** Bytes skipped in a row while looking for the next frame or message of an origin. */
  garbageBytes: 65_536,
  /** CSeq is 1*9DIGIT (RFC 7826 section 18.20; RFC 2326 section 12.17 sets no bound). */
  cseqDigits: 9,
  sessionIdChars: 128,
  /** Range that a `timeout` parameter of an origin is clamped to. */
  sessionTimeoutSeconds: { least: 10, most: 3600 },
  /** Alternatives in one Transport header, and parameters of each. */
  transportSpecs: 32,
  transportParameters: 32,
  /** A viewer may not have media sent to a privileged port. */
  leastClientPort: 1024,
  rtpInfoEntries: 32,
  challenges: 16,
  /** Largest NPT that is taken seriously: about 31 years. */
  nptSeconds: 1_000_000_000,
  /** Streams (`m=` lines) of one presentation. */
  streams: 16,
  sdpLines: 1024,
} as const;
