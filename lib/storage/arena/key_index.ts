/**
 * The arena's hash index: open addressing with linear probing in one typed array, where a slot is a hash and a location (0 =
 * free). It compares only hashes; the arena checks the key at the location. Knows nothing of records.
 */

const SLOTS_MIN = 1024;

export class KeyIndex {
  /** hash and location, alternating. */
  slots: Int32Array;
  mask: number;
  count = 0;

  constructor() {
    this.slots = new Int32Array(SLOTS_MIN * 2);
    this.mask = SLOTS_MIN - 1;
  }

  /** Fills the free slot where a search ended. Invalidates slots found before: the index may have grown. */
  insert(slot: number, hash: number, location: number): void {
    this.slots[slot * 2] = hash;
    this.slots[slot * 2 + 1] = location;
    this.count++;
    if (this.count * 10 > (this.mask + 1) * 6) this.#resize((this.mask + 1) * 2);
  }

  /** The slot that holds exactly this location, or -1. */
  slotOf(hash: number, location: number): number {
    const { slots, mask } = this;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const found = slots[slot * 2 + 1] as number;
      if (found === location) return slot;
      if (found === 0) return -1;
    }
  }

  /** Frees a slot and moves back the entries that were displaced past it. */
  remove(slot: number): void {
    const { slots, mask } = this;
    let hole = slot;
    for (let next = (slot + 1) & mask; ; next = (next + 1) & mask) {
      const location = slots[next * 2 + 1] as number;
      if (location === 0) break;
      const hash = slots[next * 2] as number;
      if (((next - hash) & mask) >= ((next - hole) & mask)) {
        slots[hole * 2] = hash;
        slots[hole * 2 + 1] = location;
        hole = next;
      }
    }
    slots[hole * 2 + 1] = 0;
    this.count--;
  }

  /** Shrinks the index to its number of keys. Invalidates slots found before. */
  fit(): void {
    let size = this.mask + 1;
    while (size > SLOTS_MIN && this.count * 10 < size * 2) size /= 2;
    if (size <= this.mask) this.#resize(size);
  }

  #resize(size: number): void {
    const old = this.slots;
    const mask = size - 1;
    const slots = new Int32Array(size * 2);
    for (let i = 0; i < old.length; i += 2) {
      const location = old[i + 1] as number;
      if (location === 0) continue;
      const hash = old[i] as number;
      let slot = hash & mask;
      while (slots[slot * 2 + 1] !== 0) slot = (slot + 1) & mask;
      slots[slot * 2] = hash;
      slots[slot * 2 + 1] = location;
    }
    this.slots = slots;
    this.mask = mask;
  }
}
