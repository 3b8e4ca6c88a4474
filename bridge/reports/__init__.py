"""Reports: what became of the calls of a day, a week, a month.

`counting` says what one call adds to the sums that `store.callfigures` keeps, and `keeping` keeps them up to date.
`period` says which days are meant, `making` makes the tables of them (`calltables`, `callbacktables`), `cells` says how
a value is written, and `csvform` and `sheets` write files. `mailing` sends them when their time is over.
"""
