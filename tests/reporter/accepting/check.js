// Whether files are as their schema says, by ajv: check.js TOOLS SCHEMA FILE... TOOLS is where scripts/form-tools put it.
import fs from "node:fs";
import path from "node:path";
import { createRequire } from "node:module";

const [tools, schema, ...files] = process.argv.slice(2);
const require = createRequire(path.resolve(tools, "package.json"));
const of = (module) => (module.default ?? module);
const kind = JSON.parse(fs.readFileSync(schema, "utf8"));
const Ajv = of(require(String(kind.$schema).includes("2020-12") ? "ajv/dist/2020" : "ajv"));
// Strict ajv refuses words that it does not know: whoever wrote a schema may use more.
const ajv = new Ajv({ strict: false, allErrors: false });
of(require("ajv-formats"))(ajv);
const validate = ajv.compile(kind);
for (const file of files) {
  if (validate(JSON.parse(fs.readFileSync(file, "utf8")))) continue;
  const { instancePath, message, params } = validate.errors[0];
  console.log(`${file}: ${instancePath} ${message} ${JSON.stringify(params)}`);
  process.exitCode = 1;
}
