// Built into FerretDB's SQLite backend by scripts/install-tools.sh.
//
// FerretDB 1.24 decodes every document of a collection for every query but one by `_id` alone, and finds that one
// without its index. Here what a filter says of strings goes to SQLite, spelt as the indexes are. SQLite answers at least
// what fits: FerretDB looks at every document it is given, as before.

package sqlite

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/FerretDB/FerretDB/internal/backends/sqlite/metadata"
	"github.com/FerretDB/FerretDB/internal/handler/sjson"
	"github.com/FerretDB/FerretDB/internal/types"
	"github.com/FerretDB/FerretDB/internal/util/iterator"
	"github.com/FerretDB/FerretDB/internal/util/must"
)

var (
	// Other names need quoting, and a dot is a path.
	plainName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	// Whatever sorts after digits does so in JSON too.
	digits = regexp.MustCompile(`^[0-9]+$`)
)

// SQLite takes 32766 arguments.
const argumentsMax = 8000

// prepareWhereClause returns the part of the filter that SQLite can look up, and its arguments.
func prepareWhereClause(filter *types.Document) (string, []any) {
	var terms []string
	var args []any

	for _, name := range filter.Keys() {
		if !plainName.MatchString(name) {
			continue
		}

		value := must.NotFail(filter.Get(name))
		column := fmt.Sprintf("%s->'%s'", metadata.DefaultColumn, name)
		term, more := termOf(column, value)

		if term == "" || len(args)+len(more) > argumentsMax {
			continue
		}

		// An element of an array may fit too.
		if name != "_id" {
			term = fmt.Sprintf(`(%s OR (%s >= '[' AND %s < '\'))`, term, column, column)
		}

		terms = append(terms, term)
		args = append(args, more...)
	}

	if len(terms) == 0 {
		return "", nil
	}

	return " WHERE " + strings.Join(terms, " AND "), args
}

// termOf returns an empty term for what is not looked up.
func termOf(column string, value any) (string, []any) {
	switch value := value.(type) {
	case string, types.ObjectID:
		return column + " = ?", []any{jsonOf(value)}
	case *types.Document:
		for _, operator := range value.Keys() {
			operand := must.NotFail(value.Get(operator))

			switch operand := operand.(type) {
			case *types.Array:
				if operator != "$in" {
					continue
				}

				if args, ok := stringsOf(operand); ok {
					return column + " IN (?" + strings.Repeat(", ?", len(args)-1) + ")", args
				}
			case string:
				if operator == "$eq" {
					return column + " = ?", []any{jsonOf(operand)}
				}

				if (operator == "$gt" || operator == "$gte") && digits.MatchString(operand) {
					return column + " >= ?", []any{`"` + operand}
				}
			}
		}
	}

	return "", nil
}

// stringsOf returns the elements as SQLite has them, if all are strings and there are some.
func stringsOf(array *types.Array) ([]any, bool) {
	var args []any

	iter := array.Iterator()
	defer iter.Close()

	values := must.NotFail(iterator.ConsumeValues(iter))
	for _, value := range values {
		switch value.(type) {
		case string, types.ObjectID:
			args = append(args, jsonOf(value))
		default:
			return nil, false
		}
	}

	return args, len(args) > 0
}

func jsonOf(value any) string {
	return string(must.NotFail(sjson.MarshalSingleValue(value)))
}
