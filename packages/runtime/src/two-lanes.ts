const LOW_RANGE = 2 ** 32;

/**
 * What has been taken so far for a number of up to 53 bits: quick, and not for secrets. Two 32-bit
 * multiplicative lanes, each with the final mix of MurmurHash3. The same in every process, for such
 * numbers are stored.
 */
export class TwoLanes {
  #low: number;
  #high: number;

  constructor(low: number, high: number) {
    this.#low = low | 0;
    this.#high = high | 0;
  }

  /** A unit: a byte, a UTF-16 unit. */
  take(unit: number): void {
    this.#low = Math.imul(this.#low ^ unit, 0x9e37_79b1);
    this.#high = (Math.imul(this.#high ^ unit, 0x85eb_ca6b) + (this.#low >>> 16)) | 0;
  }

  /** Of everything taken; `bits` from 33 to 53. */
  value(bits: number): number {
    return (mix(this.#high) % 2 ** (bits - 32)) * LOW_RANGE + mix(this.#low);
  }
}

function mix(lane: number): number {
  let bits = lane ^ (lane >>> 16);
  bits = Math.imul(bits, 0x85eb_ca6b);
  bits ^= bits >>> 13;
  bits = Math.imul(bits, 0xc2b2_ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
}
