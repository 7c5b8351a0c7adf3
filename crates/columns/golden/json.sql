SELECT '{"a":1}'::JSON AS j, ['{"b":"x"}'::JSON] AS l FORMAT Native SETTINGS output_format_native_write_json_as_string = 1
