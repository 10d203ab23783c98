// Parses workflows by the module that is named first, and prints what is wrong with them.
import { readFileSync } from "node:fs";
import { registerHooks } from "node:module";
// The package is made for bundlers, which import JSON as it is.
registerHooks({
  load: (url, context, next) =>
    next(url, url.endsWith(".json") ? { ...context, importAttributes: { type: "json" } } : context),
});
const parser = await import(process.argv[2]);
let wrong = 0;
for (const name of process.argv.slice(3)) {
  const file = { name, content: readFileSync(name, "utf8") };
  const { context, value } = parser.parseWorkflow(file, new parser.NoOperationTraceWriter());
  // Parsing looks at keys and types; this at jobs that are needed, crons and expressions.
  if (value) await parser.convertWorkflowTemplate(context, value);
  for (const error of context.errors.getErrors()) {
    console.log(`${name}: ${error.message}`);
    wrong += 1;
  }
}
console.log(`${process.argv.length - 3} files, ${wrong} errors`);
