/** Arithmetic on IPv4 addresses and CIDR blocks; the domain needs no more of a network library than this. */

export interface Cidr {
  /** First address as an unsigned 32-bit number. */
  readonly base: number;
  readonly prefix: number;
}

/** The address as an unsigned 32-bit number, or undefined if it is not dotted-quad IPv4. */
export function parseIpv4(text: string): number | undefined {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255)) {
    return undefined;
  }
  return parts.reduce((sum, part) => sum * 256 + Number(part), 0);
}

/** Dotted-quad form of an unsigned 32-bit number. */
export function formatIpv4(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.');
}

/** The block, or undefined if it is not `a.b.c.d/n` with all host bits zero. */
export function parseCidr(text: string): Cidr | undefined {
  const [addressText = '', prefixText = '', ...rest] = text.split('/');
  const base = parseIpv4(addressText);
  const prefix = Number(prefixText);
  if (
    rest.length > 0 ||
    base === undefined ||
    !/^\d{1,2}$/.test(prefixText) ||
    prefix > 32 ||
    base % blockSize(prefix) !== 0
  ) {
    return undefined;
  }
  return { base, prefix };
}

/** Number of addresses in a block of that prefix length. */
export function blockSize(prefix: number): number {
  return 2 ** (32 - prefix);
}

/** Whether two blocks share an address. */
export function overlaps(a: Cidr, b: Cidr): boolean {
  return a.base < b.base + blockSize(b.prefix) && b.base < a.base + blockSize(a.prefix);
}

/** Whether the address lies in the block. */
export function contains(cidr: Cidr, address: number): boolean {
  return address >= cidr.base && address < cidr.base + blockSize(cidr.prefix);
}

/** The n-th address of a block, counted from its network address; throws if the block is smaller. */
export function nthAddress(cidrText: string, n: number): string {
  const cidr = parseCidr(cidrText);
  if (cidr === undefined || n >= blockSize(cidr.prefix)) {
    throw new RangeError(`${cidrText} has no address number ${n}`);
  }
  return formatIpv4(cidr.base + n);
}
