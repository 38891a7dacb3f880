/** What each RtpErrorCode means. The bytes are dropped and counted under the code; nobody is answered. */
export const RTP_ERRORS = {
  'rtcp-short': 'fewer bytes than an RTCP header, or than the body of its packet type needs',
  'rtcp-long': 'a compound of more than 65535 bytes',
  'rtcp-version': 'an RTCP packet that is not version 2',
  'rtcp-length': 'an RTCP packet whose length field runs past the end of the compound',
  'rtcp-padding': 'padding on a packet that is not the last, or a padding count that cannot be',
  'rtcp-first': 'a compound that does not begin with a sender or receiver report',
  'rtcp-count': 'fewer report blocks or sources than the count field announces',
  'rtcp-sdes': 'an SDES chunk or item that runs past the end of its packet, or has no end',
  'rtcp-bye': 'a BYE reason longer than its packet',
  'rtcp-packets': 'more RTCP packets in one compound than anybody sends',
} as const;

export type RtpErrorCode = keyof typeof RTP_ERRORS;

/** Bytes that are no RTCP. Nobody can act on it: count the code, drop the bytes. */
export class RtpError extends Error {
  override readonly name = 'RtpError';
  readonly code: RtpErrorCode;

  /** @param offset where in the compound, in bytes from its start */
  constructor(code: RtpErrorCode, offset: number) {
    super(`${RTP_ERRORS[code]} (at byte ${offset})`);
    this.code = code;
  }
}
