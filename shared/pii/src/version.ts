/** Version of the detection rules; changes whenever a text may be masked differently. */
export const version = 'pii-1'
