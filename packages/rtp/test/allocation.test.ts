import t from 'tap';
import {
  isRtcp,
  marker,
  payloadEnd,
  payloadStart,
  payloadType,
  sequenceDelta,
  sequenceNumber,
  SequenceUnwrapper,
  ssrc,
  timestamp,
  timestampDelta,
  TimestampUnwrapper,
  wrapSequence,
  wrapTimestamp,
} from '../src/index.js';
import { hex } from './corpus.js';
import { videoClassifier } from './roles.js';

const ROUNDS = 20_000;

/** One packet for each branch that a packet may take, without values above 31 bits: JavaScript boxes those. */
const PACKETS = [
  '7c85888499',
  '7c05888499',
  '6742c01e99',
  '78000267420002658899',
  '6001000240010003260100',
  '620193afaf',
  '0000000001ff281e',
  '1050e200',
  '9080811150',
  '8bb5af18078003240101140182',
  '2002080030100000',
  '00003900000001b3',
  '000001b003000001b610',
  `470100300740${'ff'.repeat(6)}000001e00000808005210001000100000109f000000167${'00'.repeat(145)}`,
].map((payload) => hex(`80600001 00000e10 00001234 ${payload}`));

const CLASSIFIERS = [
  ...['AV1', 'H264', 'H265', 'JPEG', 'MP2T', 'MP4V-ES', 'MPV', 'RAW', 'VP8', 'VP9'].map((name) =>
    videoClassifier(name),
  ),
  videoClassifier('H264', undefined, { recoveryPoint: true }),
];

/** Sums up what is read, so that no reading can be left out. */
function readAll(rounds: number): number {
  const sequences = new SequenceUnwrapper();
  const timestamps = new TimestampUnwrapper();
  let sum = 0;
  for (let round = 0; round < rounds; round += 1) {
    const packet = PACKETS[round % PACKETS.length]!;
    const start = payloadStart(packet, 0, packet.length);
    const end = payloadEnd(packet, 0, packet.length);
    sum += isRtcp(packet, 0, packet.length) || marker(packet, 0) ? 1 : payloadType(packet, 0);
    sum += sequenceDelta(sequenceNumber(packet, 0), round & 0xffff) + wrapSequence(round);
    sum += timestampDelta(timestamp(packet, 0), round) + wrapTimestamp(round) + ssrc(packet, 0);
    sum += sequences.unwrap(round & 0xffff) + timestamps.unwrap(round);
    for (let i = 0; i < CLASSIFIERS.length; i += 1) sum += CLASSIFIERS[i]!.classify(packet, start, end);
    sum &= 0xffff;
  }
  return sum;
}

t.test('reading and classifying a packet allocates nothing', async (t) => {
  const sum = readAll(ROUNDS * 5);
  const grownBytes: number[] = [];
  for (let trial = 0; trial < 5; trial += 1) {
    const before = process.memoryUsage().heapUsed;
    readAll(ROUNDS);
    grownBytes.push(process.memoryUsage().heapUsed - before);
  }
  const median = grownBytes.sort((a, b) => a - b)[2]!;
  t.ok(Math.abs(median) < 4 * ROUNDS, `${grownBytes.join(', ')} bytes in ${ROUNDS} rounds`);
  t.equal(sum, readAll(ROUNDS * 5), 'nothing is remembered');
});
