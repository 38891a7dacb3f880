import { av1Classifier } from './av1.js';
import { h264Classifier } from './h264.js';
import { h265Classifier } from './h265.js';
import { jpegClassifier } from './jpeg.js';
import { mpeg4VisualClassifier, mpegVideoClassifier } from './mpeg-video.js';
import { ROLE } from './role.js';
import type { AccessUnitClassifier } from './role.js';
import { transportStreamClassifier } from './transport-stream.js';
import { vp8Classifier, vp9Classifier } from './vpx.js';

/** Choices that a stream's description does not make. */
export interface ClassifierOptions {
  /**
   * True also takes an H.264 recovery point SEI for a random access point: for encoders that send no IDR after the
   * first (gradual refresh, open GOPs). A decoder that starts there may show damage until its recovery point.
   */
  readonly recoveryPoint?: boolean;
}

/** Every packet may be the first one. */
const intraOnlyClassifier: AccessUnitClassifier = {
  intraOnly: true,
  hasParameters: false,
  classify: (_bytes, start, end) => (start < end ? ROLE.randomAccess : ROLE.other),
};

/** By encoding name as registered with IANA, upper case. */
const CLASSIFIERS: ReadonlyMap<string, AccessUnitClassifier> = new Map([
  ['AV1', av1Classifier],
  ['DV', intraOnlyClassifier],
  ['JPEG', jpegClassifier],
  ['JPEG2000', intraOnlyClassifier],
  ['JXSV', intraOnlyClassifier],
  ['MP2T', transportStreamClassifier],
  ['MP4V-ES', mpeg4VisualClassifier],
  ['MPV', mpegVideoClassifier],
  ['RAW', intraOnlyClassifier],
  ['VC2', intraOnlyClassifier],
  ['VP8', vp8Classifier],
  ['VP9', vp9Classifier],
]);

/**
 * The classifier for a stream of a description.
 * @param encoding encoding name of its rtpmap, or of its static payload type
 * @param media of its m= line; a stream that is not video and whose encoding is unknown is intra-only
 * @param fmtp format parameters behind the payload type, as far as the encoding needs them
 * @returns undefined for video of which nothing is known
 */
export function classifierFor(
  encoding: string,
  media: string,
  fmtp?: string,
  options?: ClassifierOptions,
): AccessUnitClassifier | undefined {
  const name = encoding.toUpperCase();
  if (name === 'H264') return h264Classifier(options?.recoveryPoint === true);
  if (name === 'H265') return h265Classifier(hasDecodingOrder(fmtp));
  return CLASSIFIERS.get(name) ?? (media.toLowerCase() === 'video' ? undefined : intraOnlyClassifier);
}

/** Source: RFC 7798 section 7.1, sprop-max-don-diff. */
function hasDecodingOrder(fmtp: string | undefined): boolean {
  const match = /(?:^|[;\s])sprop-max-don-diff\s*=\s*(\d+)/i.exec(fmtp ?? '');
  return match !== null && Number(match[1]) > 0;
}
