# Writes OUTPUT, a file of add_test() calls, one per test that the program TESTS lists, with the label LABEL.
execute_process(
  COMMAND ${TESTS} --list
  OUTPUT_VARIABLE listed
  RESULT_VARIABLE result)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "${TESTS} --list ended with ${result}")
endif()
string(REGEX MATCHALL "[A-Za-z0-9_]+" names "${listed}")
set(script "")
foreach(name ${names})
  string(APPEND script "add_test(${name} \"${TESTS}\" ${name})\n")
  string(APPEND script "set_tests_properties(${name} PROPERTIES TIMEOUT 900 LABELS ${LABEL})\n")
endforeach()
file(WRITE ${OUTPUT} "${script}")
