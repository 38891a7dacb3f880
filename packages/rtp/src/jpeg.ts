import type { AccessUnitClassifier } from './role.js';
import { ROLE } from './role.js';

/** Bytes of the main JPEG header: type-specific, fragment offset (3 bytes), type, Q, width, height. */
const HEADER_BYTES = 8;

/** Roles of JPEG packets: the fragment at offset 0 starts a frame. Source: RFC 2435 section 3.1. */
export const jpegClassifier: AccessUnitClassifier = {
  intraOnly: true,
  hasParameters: false,
  classify(bytes, start, end) {
    if (start + HEADER_BYTES > end) return ROLE.other;
    const startsFrame = bytes[start + 1] === 0 && bytes[start + 2] === 0 && bytes[start + 3] === 0;
    return startsFrame ? ROLE.randomAccess : ROLE.picture;
  },
};
