import { nodeStoreFs, type FoundName, type StoreFile, type StoreFs } from '../src/index.js';

export interface FsCall {
  readonly name: keyof StoreFs | keyof StoreFile;
  readonly path: string;
  /** Counted from 1. */
  readonly number: number;
}

/** What becomes of a call: done as ever, refused, or refused after half of a write, or all of a rename, was done. */
export type Fate = undefined | { readonly error: Error; readonly halfway?: boolean };

/** An error as the operating system reports it. */
export function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: made by the test`), { code, errno: -1 });
}

/** The process is dead: nothing that it does after this has an effect. Not an error of the system, so nobody handles it. */
export class Killed extends Error {
  override readonly name = 'Killed';
}

/** Lets calls hang until it is opened. */
export class Gate {
  readonly #waiting: ((fate: Fate) => void)[] = [];
  #isOpen = false;

  /** Calls that hang. */
  get held(): number {
    return this.#waiting.length;
  }

  hold(): Promise<Fate> | undefined {
    return this.#isOpen ? undefined : new Promise((resolve) => this.#waiting.push(resolve));
  }

  open(): void {
    this.#isOpen = true;
    for (const resolve of this.#waiting.splice(0)) resolve(undefined);
  }
}

/** True for a call that changes the disk. */
export function isChange(call: FsCall): boolean {
  if (call.name === 'close') return call.path.endsWith('.tmp');
  return !['list', 'openToRead', 'regularSize', 'read', 'readLink'].includes(call.name);
}

/** The real disk, with a fate for every call. */
export class FaultFs implements StoreFs {
  readonly calls: FsCall[] = [];
  /** May wait: the call hangs meanwhile. */
  fate: (call: FsCall) => Fate | Promise<Fate> = () => undefined;

  async *list(directory: string): AsyncGenerator<readonly FoundName[]> {
    await this.#meet('list', directory);
    yield* nodeStoreFs.list(directory);
  }

  async makeDirectory(directory: string): Promise<void> {
    await this.#meet('makeDirectory', directory);
    await nodeStoreFs.makeDirectory(directory);
  }

  async openToRead(path: string): Promise<StoreFile> {
    await this.#meet('openToRead', path);
    return this.#file(path, await nodeStoreFs.openToRead(path));
  }

  async create(path: string): Promise<StoreFile> {
    await this.#meet('create', path);
    return this.#file(path, await nodeStoreFs.create(path));
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#meet('rename', from, () => nodeStoreFs.rename(from, to));
    await nodeStoreFs.rename(from, to);
  }

  async remove(path: string): Promise<void> {
    await this.#meet('remove', path);
    await nodeStoreFs.remove(path);
  }

  async removeDirectory(directory: string): Promise<void> {
    await this.#meet('removeDirectory', directory);
    await nodeStoreFs.removeDirectory(directory);
  }

  async createLink(path: string, text: string): Promise<void> {
    await this.#meet('createLink', path);
    await nodeStoreFs.createLink(path, text);
  }

  async readLink(path: string): Promise<string> {
    await this.#meet('readLink', path);
    return nodeStoreFs.readLink(path);
  }

  #file(path: string, file: StoreFile): StoreFile {
    return {
      regularSize: async () => {
        await this.#meet('regularSize', path);
        return file.regularSize();
      },
      read: async (into) => {
        await this.#meet('read', path);
        return file.read(into);
      },
      write: async (bytes) => {
        await this.#meet('write', path, () => file.write(bytes.subarray(0, bytes.length >> 1)));
        await file.write(bytes);
      },
      // Whatever becomes of the call, the descriptor is not leaked into the test.
      close: async () => {
        await file.close();
        await this.#meet('close', path);
      },
    };
  }

  async #meet(name: FsCall['name'], path: string, half?: () => Promise<void>): Promise<void> {
    const call = { name, path, number: this.calls.length + 1 };
    this.calls.push(call);
    const fate = await this.fate(call);
    if (fate === undefined) return;
    if (fate.halfway === true) await half?.();
    throw fate.error;
  }
}
