import { arch, constants, platform } from 'node:os';

/** The one system call that Node lacks, as {@link NativeSender} needs it. */
export interface BatchCall {
  /**
   * Sends `count` messages of the array of `mmsghdr` at this place in memory, without waiting.
   * @returns how many the kernel took, or minus the error's number when it refused the first
   */
  send(fd: number, messagesAt: number, count: number): number;
  /** Where the bytes lie in memory. Holds as long as somebody holds `bytes`, and not longer. */
  addressOf(bytes: Buffer): number;
}

/** `struct mmsghdr` where pointers have 64 bits. */
export const MESSAGE_BYTES = 64;

const MSG_DONTWAIT = 0x40;
/** Little-endian, with 64-bit pointers: there the structures are as {@link NativeSender} writes them. */
const ARCHITECTURES = new Set(['x64', 'arm64', 'riscv64', 'loong64']);

/**
 * Finds `sendmmsg` in the C library of this process.
 * @throws Error that says in a few words why there is none
 */
export async function loadBatchCall(): Promise<BatchCall> {
  if (platform() !== 'linux') throw new Error('only Linux has sendmmsg with segments');
  if (!ARCHITECTURES.has(arch())) throw new Error(`not written for ${arch()}`);
  const { default: koffi } = await import('koffi').catch((cause: unknown) => {
    throw new Error('koffi is not installed', { cause });
  });
  const sendmmsg = koffi
    .load(null)
    .func('int sendmmsg(int fd, uintptr_t messages, unsigned int count, int flags)');
  return {
    send(fd, messagesAt, count) {
      const taken = Number(sendmmsg(fd, messagesAt, count, MSG_DONTWAIT));
      return taken > 0 ? taken : -(koffi.errno() || constants.errno.EAGAIN);
    },
    addressOf: (bytes) => Number(koffi.address(bytes)),
  };
}
