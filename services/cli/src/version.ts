/** The version of this program, as in its package. */
export const programVersion = '0.1.0'
