/** Hashes that are kept one by one; beyond it they are only estimated. */
const mostExact = 64
/** 256 registers: off by 6.5 % at most times. */
const registerBits = 8
const registerCount = 2 ** registerBits
const bias = 0.7213 / (1 + 1.079 / registerCount)

/** Which different values were seen: up to 64 hashes of 32 bits, then the registers of a HyperLogLog (Flajolet et al. 2007). */
export type Distinct = number[]

function isEstimate(distinct: Distinct): boolean {
  return distinct.length === registerCount
}

/** Spreads the bits of a hash, so that all of them are as good as random (MurmurHash3's finaliser). */
function spread(hash: number): number {
  let mixed = Math.imul(hash ^ (hash >>> 16), 0x85_eb_ca_6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2_b2_ae_35)
  return (mixed ^ (mixed >>> 16)) >>> 0
}

function register(registers: Distinct, hash: number): boolean {
  const mixed = spread(hash)
  const at = mixed >>> (32 - registerBits)
  const rank = Math.min(Math.clz32(mixed << registerBits), 32 - registerBits) + 1
  if (rank <= (registers[at] ?? 0)) return false
  registers[at] = rank
  return true
}

/** Adds the hash of a value; returns whether that may change the count. */
export function addDistinct(distinct: Distinct, hash: number): boolean {
  if (isEstimate(distinct)) return register(distinct, hash)
  if (distinct.includes(hash)) return false
  distinct.push(hash)
  if (distinct.length <= mostExact) return true
  const seen = distinct.splice(0)
  distinct.length = registerCount
  distinct.fill(0)
  for (const each of seen) register(distinct, each)
  return true
}

/** How many different values were added. */
export function countDistinct(distinct: Distinct): number {
  if (!isEstimate(distinct)) return distinct.length
  const sum = distinct.reduce((total, rank) => total + 2 ** -rank, 0)
  const empty = distinct.filter(rank => rank === 0).length
  const estimate = (bias * registerCount * registerCount) / sum
  const isSmall = estimate <= 2.5 * registerCount && empty > 0
  return Math.round(isSmall ? registerCount * Math.log(registerCount / empty) : estimate)
}

/** FNV-1a of a name that is no secret. */
export function hashOfName(name: string): number {
  let state = 0x81_1c_9d_c5
  for (let at = 0; at < name.length; at += 1) state = Math.imul(state ^ name.charCodeAt(at), 0x01_00_01_93)
  return state >>> 0
}
