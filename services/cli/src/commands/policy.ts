import type { Rules } from '@muniment/interceptor/guard'
import { AppError } from '@muniment/schema'
import type { Call, CliCommand } from '../command.ts'
import { argument } from '../options.ts'
import { readPolicyCases, type PolicyCase } from '../policy-cases.ts'
import { safe } from '../print.ts'

interface Tried {
  readonly decision: 'permit' | 'deny'
  readonly reason: string
}

function tried(rules: Rules, { asker, method, resource, params }: PolicyCase): Tried {
  const shown = rules.isShown(asker, method, resource)
  if (shown !== undefined) return { decision: shown ? 'permit' : 'deny', reason: 'as lists are filtered' }
  const ruling = rules.request(asker, method, params)
  if (ruling === undefined) return { decision: 'permit', reason: 'it needs no permission' }
  return { decision: ruling.isAllowed ? 'permit' : 'deny', reason: ruling.reason }
}

/** Shows one case and answers whether it was decided as it should be. */
function show({ printer }: Call, rules: Rules, one: PolicyCase): boolean {
  const { name, expected } = one
  const { decision, reason } = tried(rules, one)
  const isFine = decision === expected
  printer.answer({ name, expected, decision, reason, isFine }, () => {
    const mark = isFine ? printer.style('green', '✔') : printer.style('red', '✘')
    const wrong = isFine ? '' : `, but should be ${expected}`
    return `${mark} ${safe(name)}: ${decision}${wrong} (${safe(reason)})`
  })
  return isFine
}

/** Tries rules of who may do what on a file of cases. */
export const policyCommand: CliCommand = {
  name: 'policy',
  summary: 'Try who may do what, by roles and Cedar policies, on a file of cases',
  help: `A file of cases names its rules and what must become of each request:

  authorise: authorise.yaml
  cases:
    - name: viewers read what lies under /srv/docs
      principal: { id: ada, issuer: https://id.example.com, scopes: [mcp:read] }
      action: tools/call
      resource: read_file
      context: { arguments: { path: /srv/docs/plan.md }, address: 10.0.0.7, time: 2026-11-30T10:00:00Z }
      expected: permit

Without principal nobody was verified. The action is a method: tools/call, prompts/get, resources/read, or tools/list to ask whether the list shows it.
context may have arguments, address, time (a Monday noon where absent), risk (none, observe, throttle, require_approval, …), server and tenant. The rules:

  roles:
    viewer: [{ scopes: [mcp:read] }]
    admin:  [{ principals: [alice], issuer: https://id.example.com }]
  needs:
    read:  { tools: [read_file, list_*], resources: ['file:///srv/docs/*'] }
    admin: { tools: [delete_file] }
  policies: { files: [team.cedar], tools: tools.json }

and a policy, where tools.json holds what the server answers to tools/list:

  @id("docs")
  permit (principal in Mcp::Role::"viewer", action == Mcp::Action::"tools/call/read_file", resource)
  when { context.arguments.path like "/srv/docs/*" };

What is not named nobody may use; needs and policies must both permit where both are given. \`muniment wrap --authorise authorise.yaml\` puts the rules in force.`,
  examples: [
    ['muniment policy test cases.yaml', 'exit 1 where a case is decided otherwise'],
    ['muniment policy test cases.yaml --json', 'decisions and reasons for programs'],
  ],
  configure: command => {
    command.argument('<action>', 'test').argument('<file>', 'the cases, YAML or JSON')
  },
  run: async call => {
    const action = argument(call.args, 0, 'action')
    if (action !== 'test')
      throw new AppError('INVALID_INPUT', `"${action}" is not something policy does: test.`)
    const { rules: given, cases } = readPolicyCases(argument(call.args, 1, 'file'))
    const { openRules } = await import('@muniment/interceptor/guard')
    const rules = openRules(given)
    const failed = cases.filter(one => !show(call, rules, one)).length
    call.printer.say(`${cases.length} cases, ${failed} not as they should be.`)
    return failed === 0 ? 0 : 1
  },
}
