/** Reading a JSON schema of the catalog: what a property is, what kinds it has, what it says. Pure: no elements. */

/** A schema with its reference followed, from `root`. */
export function deref(schema, root) {
  if (!schema?.$ref) return schema ?? {};
  const found = schema.$ref.split("/").slice(1).reduce((node, key) => node?.[key], root);
  return { ...found, ...Object.fromEntries(Object.entries(schema).filter(([key]) => key !== "$ref")) };
}

/** The values of a property that has a few: those of its enums and constants, true and false where it may be more. */
function valuesOf(parts, nullable) {
  if (parts.length === 1 && parts[0].type === "boolean" && !nullable) return null;
  const lists = parts.map((part) =>
    part.enum ?? (part.const !== undefined ? [part.const] : part.type === "boolean" ? [true, false] : null));
  return lists.length && lists.every(Boolean) ? lists.flat() : null;
}

/** What kind of control a property needs: its type, whether it may be null, its values. */
export function describeProperty(property, root) {
  const schema = deref(property, root);
  const parts = (schema.anyOf ?? schema.oneOf ?? [schema]).map((part) => deref(part, root));
  const nullable = parts.some((part) => part.type === "null");
  const rest = parts.filter((part) => part.type !== "null");
  const main = rest.length === 1 ? rest[0] : { type: "json" };
  const values = valuesOf(rest, nullable);
  return { ...main, ...schema, type: values ? "enum" : main.type ?? "json", values, nullable,
           minimum: main.minimum ?? main.exclusiveMinimum, maximum: main.maximum ?? main.exclusiveMaximum };
}

/** The kinds of a property that is one of several objects: `[{kind, label, schema}]`, as plug-ins are listed. */
export function variantsOf(property, root) {
  const union = (property.anyOf ?? [property]).find((part) => part.oneOf);
  return union.oneOf.map((part) => deref(part, root)).map((schema) => ({
    kind: schema.properties.kind.const, schema,
    label: schema.title.replaceAll(/(?<=[a-z])(?=[A-Z])/g, " ").toLowerCase(),
  }));
}

/** Whether two JSON values are written alike; nothing is null. */
export const same = (left, right) => JSON.stringify(left ?? null) === JSON.stringify(right ?? null);

/** What a schema says, for people: its first line without marks, and `nothing` where it says null. */
export const hintOf = ({ description }, nothing = "null") =>
  description?.split("\n")[0].replaceAll("`", "").replaceAll(/\bnull\b/g, nothing);

/** The properties to show: those of an object's own, which follow its kind, come before those that it inherits. */
export function shownOf(schema) {
  const names = Object.keys(schema.properties ?? {});
  const kind = names.indexOf("kind");
  return [...names.slice(kind + 1), ...names.slice(0, Math.max(kind, 0))];
}

/** A value that shows how the property is written: an example of its own, or one made of those of its parts; else null. */
export function exampleOf(property, root) {
  const schema = describeProperty(property, root);
  const own = schema.examples?.find((value) => value !== null && (typeof value !== "object" || Object.keys(value).length));
  if (own !== undefined) return own;
  if (schema.type === "array") return [exampleOf(schema.items, root)];
  const needed = (schema.required ?? []).map((name) => [name, exampleOf(schema.properties[name], root)]);
  return needed.length ? Object.fromEntries(needed) : null;
}

const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

/** The properties of what a value of `property` is: of the object, or of the one of its kinds that the value names. */
function propertiesOf(property, root, kind) {
  const facts = describeProperty(property ?? {}, root);
  const union = facts.oneOf ? facts : (facts.anyOf ?? []).find((part) => part.oneOf);
  const parts = union ? variantsOf(union, root).filter((variant) => variant.kind === kind) : [];
  return (parts[0]?.schema ?? facts).properties ?? {};
}

/**
 * What `given` says and `read` does not, both JSON of `property`: undefined where they mean the same, and of objects only
 * the names that differ. What is missing from `read` has its default.
 */
export function leftOver(given, read, property, root) {
  const byDefault = property ? describeProperty(property, root).default : undefined;
  const actual = read === undefined ? byDefault : read;
  if (same(given, actual)) return undefined;
  if (!isObject(given) || (actual !== undefined && !isObject(actual))) return given;
  const inner = propertiesOf(property, root, given.kind);
  const left = Object.entries(given).map(([name, value]) => [name, leftOver(value, actual?.[name], inner[name], root)])
    .filter(([, value]) => value !== undefined);
  return left.length ? Object.fromEntries(left) : undefined;
}
