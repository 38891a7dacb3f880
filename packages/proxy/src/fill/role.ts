import type { PacketRun } from '@forebay/cache';
import { payloadEnd, payloadStart, type Role, ROLE, type AccessUnitClassifier } from '@forebay/rtp';
import type { Arrival } from './arrival.js';

const FRAME_BYTES = 4;

/** An RTP packet, bytes[start, end). */
type Packet = Pick<Arrival, 'bytes' | 'start' | 'end'>;

/**
 * What a packet is to its access unit; of an unknown codec every unit counts as a random access point, and what is no packet says
 * nothing.
 */
export function roleOf(classifier: AccessUnitClassifier | undefined, p: Packet): Role {
  if (classifier === undefined) return ROLE.randomAccess;
  const payload = payloadStart(p.bytes, p.start, p.end);
  return payload < 0
    ? ROLE.other
    : classifier.classify(p.bytes, payload, payloadEnd(p.bytes, p.start, p.end));
}

/** The same of packet `i` of a run. */
export function roleIn(classifier: AccessUnitClassifier | undefined, run: PacketRun, i: number): Role {
  const { bytes, offsets } = run;
  return roleOf(classifier, { bytes, start: offsets[i]! + FRAME_BYTES, end: offsets[i + 1]! });
}

/** Whether a packet may belong to a picture shown before the key frame in front of it, that refers to pictures before that. */
export function mayLead(classifier: AccessUnitClassifier | undefined, p: Arrival): boolean {
  if (classifier?.mayLead === undefined) return false;
  return classifier.mayLead(
    p.bytes,
    payloadStart(p.bytes, p.start, p.end),
    payloadEnd(p.bytes, p.start, p.end),
  );
}
