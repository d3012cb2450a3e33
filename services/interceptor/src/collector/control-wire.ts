// How decisions travel to a device: signed as they were published, one a line, and how far the device has come.

export const controlPath = '/v1/control'
/** How far this answer goes; asked with it, the next one begins there. */
export const cursorField = 'Muniment-Cursor'
/** Bytes of decisions in one answer. */
export const maxPageBytes = 512 * 1024
/** How long a collector keeps a device waiting that has everything. */
export const longestWaitMs = 25_000
