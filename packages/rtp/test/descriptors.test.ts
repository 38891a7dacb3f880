import * as fc from 'fast-check';
import t from 'tap';
import { ROLE } from '../src/index.js';
import type { Role } from '../src/index.js';
import { holds } from './holds.js';
import { roleOf, videoClassifier } from './roles.js';

/*
 * Payload descriptors written from their fields, after the drawings in their specifications. The role of each must be
 * what its fields say, and a descriptor cut off anywhere must say nothing.
 */

const { other, parameter, randomAccess, picture } = ROLE;

const bit = fc.integer({ min: 0, max: 1 });
const bits = (count: number) => fc.integer({ min: 0, max: 2 ** count - 1 });
const byte = bits(8);

/** A number from its bits, the highest first: pairs of width and value. */
function pack(...fields: readonly (readonly [width: number, value: number])[]): number {
  return fields.reduce((packed, [width, value]) => packed * 2 ** width + value, 0);
}

/** No picture id, one of 7 bits, or one of 15 bits. */
const pictureId = fc.oneof(
  fc.constant<number[]>([]),
  bits(7).map((id) => [id]),
  bits(15).map((id) => [0x80 | (id >> 8), id & 0xff]),
);

/** Whether the payload has `role`, and `other` where its first `descriptorBytes` and no more are there. */
function says(encoding: string, payload: readonly number[], descriptorBytes: number, role: Role): boolean {
  const classifier = videoClassifier(encoding);
  for (let size = 0; size <= descriptorBytes; size += 1) {
    if (roleOf(classifier, Buffer.from(payload.slice(0, size))) !== other) return false;
  }
  return roleOf(classifier, Buffer.from(payload)) === role;
}

const vp8 = fc.record({
  reserved: bit,
  nonReference: bit,
  start: bit,
  partition: fc.oneof(fc.constant(0), bits(3)),
  extended: fc.boolean(),
  id: pictureId,
  tl0: fc.option(byte),
  tid: bit,
  keyIndex: bit,
  tidByte: byte,
  extensionReserved: bits(4),
  frame: byte,
});

t.test('VP8 descriptors', async (t) => {
  holds(
    t,
    fc.property(vp8, (d) => {
      const first = pack(
        [1, d.extended ? 1 : 0],
        [1, d.reserved],
        [1, d.nonReference],
        [1, d.start],
        [1, d.reserved],
        [3, d.partition],
      );
      const hasId = d.id.length > 0 ? 1 : 0;
      const hasTl0 = d.tl0 === null ? 0 : 1;
      const flags = pack([1, hasId], [1, hasTl0], [1, d.tid], [1, d.keyIndex], [4, d.extensionReserved]);
      const extension = [
        flags,
        ...d.id,
        ...(d.tl0 === null ? [] : [d.tl0]),
        ...(d.tid + d.keyIndex > 0 ? [d.tidByte] : []),
      ];
      const descriptor = d.extended ? [first, ...extension] : [first];
      const key = d.start === 1 && d.partition === 0 && d.frame % 2 === 0;
      return says('VP8', [...descriptor, d.frame], descriptor.length, key ? randomAccess : picture);
    }),
    { numRuns: 2000 },
  );
});

const vp9 = fc.record({
  id: pictureId,
  predicted: bit,
  layer: fc.option(
    fc.record({ tid: bits(3), up: bit, sid: fc.oneof(fc.constant(0), bits(3)), d: bit, tl0: byte }),
  ),
  flexible: bit,
  begins: bit,
  ends: bit,
  notReference: bit,
  references: fc.array(bits(7), { minLength: 1, maxLength: 3 }),
  structure: fc.option(
    fc.record({
      sizes: fc.option(fc.array(byte, { minLength: 8 * 4, maxLength: 8 * 4 })),
      layers: bits(3),
      group: fc.option(
        fc.array(fc.record({ tid: bits(3), up: bit, references: fc.array(byte, { maxLength: 3 }) }), {
          maxLength: 5,
        }),
      ),
      reserved: bits(3),
    }),
  ),
  profile: bits(2),
  showExisting: fc.integer({ min: 0, max: 3 }).map((n) => (n === 0 ? 1 : 0)),
  frameType: bit,
  rest: bit,
});

t.test('VP9 descriptors', async (t) => {
  holds(
    t,
    fc.property(vp9, (d) => {
      const flags: readonly (readonly [number, number])[] = [
        [1, d.id.length > 0 ? 1 : 0],
        [1, d.predicted],
        [1, d.layer === null ? 0 : 1],
        [1, d.flexible],
        [1, d.begins],
        [1, d.ends],
        [1, d.structure === null ? 0 : 1],
        [1, d.notReference],
      ];
      const descriptor = [pack(...flags), ...d.id];
      if (d.layer !== null) {
        descriptor.push(pack([3, d.layer.tid], [1, d.layer.up], [3, d.layer.sid], [1, d.layer.d]));
        if (d.flexible === 0) descriptor.push(d.layer.tl0);
      }
      if (d.flexible === 1 && d.predicted === 1) {
        descriptor.push(
          ...d.references.map((difference, i) => difference * 2 + (i < d.references.length - 1 ? 1 : 0)),
        );
      }
      if (d.structure !== null) {
        const { sizes, layers, group, reserved } = d.structure;
        descriptor.push(
          pack([3, layers], [1, sizes === null ? 0 : 1], [1, group === null ? 0 : 1], [3, reserved]),
        );
        if (sizes !== null) descriptor.push(...sizes.slice(0, (layers + 1) * 4));
        if (group !== null) descriptor.push(group.length);
        for (const { tid, up, references } of group ?? []) {
          descriptor.push(pack([3, tid], [1, up], [2, references.length], [2, 3]), ...references);
        }
      }
      const reserved: readonly (readonly [number, number])[] = d.profile === 3 ? [[1, 0]] : [];
      const tail: readonly (readonly [number, number])[] = d.profile === 3 ? [] : [[1, d.rest]];
      const header = pack(
        ...([
          [2, 2],
          [1, d.profile & 1],
          [1, d.profile >> 1],
          ...reserved,
          [1, d.showExisting],
          [1, d.frameType],
        ] as const),
        [1, d.rest],
        ...tail,
      );
      const independent = d.begins === 1 && d.predicted === 0 && (d.layer?.sid ?? 0) === 0;
      const key = independent && d.showExisting === 0 && d.frameType === 0;
      return says('VP9', [...descriptor, header], descriptor.length, key ? randomAccess : picture);
    }),
    { numRuns: 3000 },
  );
});

const obu = fc.record({
  type: bits(4),
  spatial: fc.option(fc.oneof(fc.constant(0), bits(2))),
  extensionRest: bits(3),
  sized: fc.boolean(),
  reserved: bit,
  body: fc.uint8Array({ minLength: 1, maxLength: 200, size: 'max' }).map((body) => [...body]),
});

const aggregate = fc.record({
  continues: bit,
  goesOn: bit,
  counted: fc.boolean(),
  newSequence: fc.integer({ min: 0, max: 3 }).map((n) => (n === 0 ? 1 : 0)),
  reserved: bits(3),
  obus: fc.array(obu, { minLength: 1, maxLength: 3 }),
});

/** Lowest seven bits first. */
function leb128(value: number): number[] {
  return value < 128 ? [value] : [0x80 | (value & 0x7f), ...leb128(value >> 7)];
}

type Obu = typeof obu extends fc.Arbitrary<infer T> ? T : never;

function writeObu({ type, spatial, extensionRest, sized, reserved, body }: Obu): number[] {
  const header = pack([1, 0], [4, type], [1, spatial === null ? 0 : 1], [1, sized ? 1 : 0], [1, reserved]);
  const extension = spatial === null ? [] : [pack([3, extensionRest], [2, spatial], [3, extensionRest])];
  return [header, ...extension, ...(sized ? leb128(body.length) : []), ...body];
}

function roleOfObu({ type, spatial, body }: Obu): Role {
  if (spatial !== null && spatial > 0) return other;
  if (type === 1 || type === 2 || type === 5) return parameter;
  if (type === 15) return other;
  if (type !== 3 && type !== 6) return picture;
  const [showExisting, frameType, show] = [body[0]! >> 7, (body[0]! >> 5) & 3, (body[0]! >> 4) & 1];
  return showExisting === 0 && frameType === 0 && show === 1 ? randomAccess : picture;
}

t.test('AV1 aggregates', async (t) => {
  const av1 = videoClassifier('AV1');
  holds(
    t,
    fc.property(aggregate, ({ continues, goesOn, counted, newSequence, reserved, obus }) => {
      const count = counted ? obus.length : 0;
      const header = pack([1, continues], [1, goesOn], [2, count], [1, newSequence], [3, reserved]);
      const payload = [header];
      const roles = obus.map((element, i) => (i === 0 && continues === 1 ? picture : roleOfObu(element)));
      obus.forEach((element, i) => {
        const written = writeObu(element);
        if (i !== count - 1) payload.push(...leb128(written.length));
        payload.push(...written);
      });
      const contained = roles.includes(randomAccess) ? randomAccess : (Math.max(...roles) as Role);
      const expected = newSequence === 1 && continues === 0 ? randomAccess : contained;
      return roleOf(av1, Buffer.from(payload)) === expected;
    }),
    { numRuns: 3000 },
  );
});

const cell = fc.record({
  error: bit,
  starts: bit,
  priority: bit,
  pid: fc.oneof(fc.constantFrom(0, 256, 4096, 8191), bits(13)),
  scrambling: fc.oneof(fc.constant(0), bits(2)),
  counter: bits(4),
  field: fc.option(fc.record({ bytes: fc.integer({ min: 0, max: 160 }), flags: byte })),
  hasPayload: fc.integer({ min: 0, max: 5 }).map((n) => (n === 0 ? 0 : 1)),
  streamId: fc.constantFrom(0xe0, 0xef, 0xc0, 0xbd, 0xf0, 0xdf),
  key: fc.boolean(),
  pesHeaderBytes: fc.integer({ min: 0, max: 5 }),
});

type Cell = typeof cell extends fc.Arbitrary<infer T> ? T : never;

/** A cell whose payload is a PES packet that begins with a delimiter and an SPS, or with a delimiter and a slice. */
function writeCell(c: Cell): number[] {
  const bytes = [0x47];
  bytes.push(pack([1, c.error], [1, c.starts], [1, c.priority], [5, c.pid >> 8]), c.pid & 0xff);
  bytes.push(pack([2, c.scrambling], [1, c.field === null ? 0 : 1], [1, c.hasPayload], [4, c.counter]));
  if (c.field !== null) {
    bytes.push(c.field.bytes);
    if (c.field.bytes > 0) bytes.push(c.field.flags, ...Array<number>(c.field.bytes - 1).fill(0xff));
  }
  bytes.push(
    0,
    0,
    1,
    c.streamId,
    0,
    0,
    0x80,
    0,
    c.pesHeaderBytes,
    ...Array<number>(c.pesHeaderBytes).fill(0xff),
  );
  bytes.push(0, 0, 1, 0x09, 0xf0, 0, 0, 1, c.key ? 0x67 : 0x41);
  return [...bytes, ...Array<number>(188).fill(0xff)].slice(0, 188);
}

function roleOfCell(c: Cell): Role {
  if (c.pid === 8191 || c.hasPayload === 0) return other;
  if (c.starts === 0 || c.scrambling !== 0) return picture;
  if (c.pid === 0) return parameter;
  const marked = c.field !== null && c.field.bytes > 0 && (c.field.flags & 0x40) !== 0;
  return c.streamId >> 4 === 0xe && (marked || c.key) ? randomAccess : picture;
}

/** Its last byte is the one that says what the unit is. */
const full: Cell = {
  error: 0,
  starts: 1,
  priority: 0,
  pid: 256,
  scrambling: 0,
  counter: 0,
  field: { bytes: 160, flags: 0 },
  hasPayload: 1,
  streamId: 0xe0,
  key: true,
  pesHeaderBytes: 5,
};

t.test('transport stream cells', async (t) => {
  const stream = videoClassifier('MP2T');
  holds(
    t,
    fc.property(fc.array(cell, { minLength: 1, maxLength: 7 }), (cells) => {
      const roles = cells.map(roleOfCell);
      const expected = roles.includes(randomAccess) ? randomAccess : (Math.max(...roles) as Role);
      return roleOf(stream, Buffer.from(cells.flatMap(writeCell))) === expected;
    }),
    { numRuns: 2000, examples: [[[full]]] },
  );
});
