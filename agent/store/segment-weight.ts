// What segments weigh against the budget.
/** What a segment costs beside its body: its row's other columns and three index entries. */
export const segmentOverheadBytes = 120;
