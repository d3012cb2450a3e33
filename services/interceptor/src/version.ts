/** Version of this package, as events name it. */
export const version = '0.1.0'
