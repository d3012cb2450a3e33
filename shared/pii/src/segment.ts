const SAFE = /^[A-Za-z_$][A-Za-z_$0-9-]{0,39}$/

/** A key as it may appear in a path: identifier-like and without long digits, else `*`, so no path carries personal data. */
export const safeSegment = (key: string): string => {
  if (!SAFE.test(key)) return '*'
  return (key.match(/[0-9]/g)?.length ?? 0) > 4 ? '*' : key
}
