/** What `converse` leaves, whatever a server of this line says of an unknown tool. */
export function legacyStory(unknown: string, end = 'closed'): string[] {
  return [
    'call initialize ok',
    'notification notifications/initialized',
    'call tools/list ok',
    'call tools/call echo ok',
    'call tools/call fail tool_error tool_error',
    `call tools/call nothing of that name ${unknown}`,
    'call to client roots/list ok',
    'call tools/call roots ok',
    'notification to client notifications/message',
    'call tools/call log ok',
    'call tools/call echo ok',
    'cancelled tools/call wait cancelled',
    'notification notifications/cancelled',
    'call tools/call echo ok',
    'call tools/call echo ok',
    `unanswered tools/call wait unanswered ${end}`,
  ].toSorted()
}
