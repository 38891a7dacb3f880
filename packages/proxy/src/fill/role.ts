import { payloadEnd, payloadStart, ROLE, type AccessUnitClassifier } from '@forebay/rtp';
import type { Arrival } from './arrival.js';

/** What a packet is to its access unit; of an unknown codec every unit counts as a random access point. */
export function roleOf(classifier: AccessUnitClassifier | undefined, p: Arrival): number {
  if (classifier === undefined) return ROLE.randomAccess;
  return classifier.classify(
    p.bytes,
    payloadStart(p.bytes, p.start, p.end),
    payloadEnd(p.bytes, p.start, p.end),
  );
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
