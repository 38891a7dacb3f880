/** Zeros outside the heap that is compacted: they stay where they are. Small buffers made otherwise do not. */
export function fixedMemory(bytes: number): Buffer {
  return Buffer.from(new ArrayBuffer(bytes));
}
