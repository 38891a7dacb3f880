/**
 * What one packet says about its access unit. The first decisive packet (randomAccess or picture) of an access unit
 * tells whether a decoder can start there. Where an access unit begins is told by its timestamp, not by a role.
 */
export const ROLE = {
  /** Says nothing: filler, end of sequence, enhancement layers, payloads that cannot be read. */
  other: 0,
  /** Comes before a picture and decides nothing yet: parameter sets, delimiters, messages. */
  parameter: 1,
  /** A picture starts here from which a decoder can start. */
  randomAccess: 2,
  /** Data of a picture, and no random access point starts here. */
  picture: 3,
} as const;

export type Role = (typeof ROLE)[keyof typeof ROLE];

/** Reads roles for one encoding. Holds no state of a stream and allocates nothing, so it may serve many streams. */
export interface AccessUnitClassifier {
  /** Every access unit is a random access point: audio, metadata, still pictures in a row. */
  readonly intraOnly: boolean;
  /** The encoding has packets of ROLE.parameter, which an origin may repeat after a seek. */
  readonly hasParameters: boolean;
  /**
   * The role of the packet whose payload is bytes[payloadStart, payloadEnd). Never throws: a payload that cannot be
   * read is ROLE.other.
   */
  classify(bytes: Buffer, payloadStart: number, payloadEnd: number): Role;
  /**
   * Whether the packet may belong to a picture that is shown before the random access point in front of it, and refers to
   * pictures before that (an open group of pictures): a decoder that starts at that point leaves it out. True also where the
   * packet does not tell. Absent: the encoding has no such pictures.
   */
  readonly mayLead?: (bytes: Buffer, payloadStart: number, payloadEnd: number) => boolean;
}

/** The role of a packet that holds two things: a random access point outweighs a picture, that outweighs the rest. */
export function combineRoles(one: Role, another: Role): Role {
  if (one === ROLE.randomAccess || another === ROLE.randomAccess) return ROLE.randomAccess;
  return one > another ? one : another;
}

/** The role of a fragment that does not start its unit: there is no starting in the middle of a picture. */
export function roleOfContinuation(role: Role): Role {
  return role === ROLE.randomAccess ? ROLE.picture : role;
}
