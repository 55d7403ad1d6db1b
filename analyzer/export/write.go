package export

import (
	"encoding/csv"
	"fmt"
	"io"
	"reflect"
	"strconv"

	"github.com/parquet-go/parquet-go"
)

// table takes rows of one kind, one after the other.
type table[R any] interface {
	add(*R) error
	// end writes what is still held; nothing may follow.
	end() error
}

func newTable[R any](w io.Writer, format Format) table[R] {
	if format == Parquet {
		return newParquetTable[R](w)
	}
	return newCSVTable[R](w)
}

// csvTable writes RFC 4180 with line feeds: a header, then a line each row.
// What is absent is empty.
type csvTable[R any] struct {
	out   *csv.Writer
	cells []string
	named bool
}

func newCSVTable[R any](w io.Writer) *csvTable[R] {
	return &csvTable[R]{out: csv.NewWriter(w), cells: make([]string, reflect.TypeFor[R]().NumField())}
}

func (t *csvTable[R]) header() error {
	t.named = true
	of := reflect.TypeFor[R]()
	for i := range t.cells {
		t.cells[i] = columnName(of.Field(i).Tag.Get("parquet"))
	}
	return t.out.Write(t.cells)
}

func (t *csvTable[R]) add(row *R) error {
	if !t.named {
		if err := t.header(); err != nil {
			return err
		}
	}
	v := reflect.ValueOf(row).Elem()
	for i := range t.cells {
		t.cells[i] = cell(v.Field(i))
	}
	return t.out.Write(t.cells)
}

// cell writes a value so that reading it gives the same.
func cell(v reflect.Value) string {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return ""
		}
		v = v.Elem()
	}
	switch v.Kind() {
	case reflect.String:
		return v.String()
	case reflect.Int64, reflect.Int32:
		return strconv.FormatInt(v.Int(), 10)
	case reflect.Float64:
		return strconv.FormatFloat(v.Float(), 'f', -1, 64)
	case reflect.Bool:
		return strconv.FormatBool(v.Bool())
	}
	panic(fmt.Sprintf("export: no cell holds a %s", v.Kind()))
}

func (t *csvTable[R]) end() error {
	if !t.named {
		if err := t.header(); err != nil {
			return err
		}
	}
	t.out.Flush()
	return t.out.Error()
}

// Rows of a row group, all of which is in memory until it is written, and of
// what is handed over at once.
const (
	groupRows = 100_000
	chunkRows = 1000
)

// parquetTable writes row groups of groupRows rows, compressed by zstd, with no
// more in its metadata than follows from the rows.
type parquetTable[R any] struct {
	out   *parquet.GenericWriter[R]
	chunk []R
	rows  int
}

func newParquetTable[R any](w io.Writer) *parquetTable[R] {
	return &parquetTable[R]{out: parquet.NewGenericWriter[R](w,
		parquet.Compression(&parquet.Zstd), parquet.CreatedBy("fibergauge-analyzer", "1", "export"),
	)}
}

func (t *parquetTable[R]) add(row *R) error {
	if t.chunk = append(t.chunk, *row); len(t.chunk) < chunkRows {
		return nil
	}
	return t.flush()
}

func (t *parquetTable[R]) flush() error {
	if _, err := t.out.Write(t.chunk); err != nil {
		return err
	}
	t.rows += len(t.chunk)
	t.chunk = t.chunk[:0]
	if t.rows < groupRows {
		return nil
	}
	t.rows = 0
	return t.out.Flush()
}

func (t *parquetTable[R]) end() error {
	if err := t.flush(); err != nil {
		return err
	}
	return t.out.Close()
}
