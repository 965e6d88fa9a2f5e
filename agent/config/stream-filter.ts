// Which topics a stream may record: never the topics of the link and the system themselves.
import { isTopicFilter } from "#shared/mqtt/topic.ts";

const reservedWords = ["machine", "level", "from"];

/** What would be expected in place of `filter`, with the reason; nothing when it may be recorded. */
export function streamFilterFault(filter: string): string | undefined {
  if (!isTopicFilter(filter)) return 'an MQTT topic filter such as "/data/#"';
  const [first, second] = filter.split("/");
  if (first?.startsWith("$") === true)
    return "a filter outside of the topics that begin with $: those belong to brokers";
  const isOpen = first === "#" || first === "+" || (first === "" && (second === "#" || second === "+"));
  if (isOpen) {
    return "a filter that begins with a word of its own: a leading wildcard would also take /machine/, /level/ and /from/";
  }
  if (first === "" && second !== undefined && reservedWords.includes(second)) {
    return "a filter outside of /machine/, /level/ and /from/: those messages travel down or stay, and are not recorded";
  }
  return undefined;
}
