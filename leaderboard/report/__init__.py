"""Results for people and programs: tables in the long and the wide form, with their notes, in every format."""
