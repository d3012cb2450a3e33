/** What the verifier names and this page never reaches: it writes nothing. The bundler fills in the names; calling one fails. */
export const isAbsent = true
